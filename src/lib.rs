//! Sealink.
pub mod at_rest;
pub mod clock;
pub mod domain;
pub mod error;
pub mod harden;
pub mod listener;
pub mod pb;
pub mod rpc;
pub mod seal;
pub mod wkt;
pub mod zero_alloc;
