//! Sealink.
pub mod agent;
pub mod api;
pub mod at_rest;
pub mod cli;
pub mod client;
pub mod clock;
pub mod domain;
pub mod error;
pub mod harden;
pub mod listener;
pub mod pb;
pub mod private_file;
pub mod rpc;
pub mod seal;
pub mod store;
pub mod wkt;
pub mod zero_alloc;
