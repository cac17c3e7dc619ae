//! Sealink.
pub mod api;
pub mod clock;
pub mod domain;
pub mod error;
pub mod listener;
pub mod pb;
pub mod rpc;
pub mod store;
pub mod wkt;
