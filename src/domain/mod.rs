//! Types that cannot hold wrong values, and the rules between them: no I/O, no clock, no wire.
pub mod access;
pub mod audit;
pub mod audit_chain;
pub mod host;
pub mod id;
pub mod integration;
pub mod integration_patch;
pub mod issuer;
pub mod page;
pub mod runner;
pub mod runner_key;
pub mod runner_patch;
pub mod scm;
pub mod secret;
pub mod token;
pub mod update_window;
pub mod user;
