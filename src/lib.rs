//! Sealink.
pub mod cli;
pub mod client;
pub mod clock;
pub mod domain;
pub mod error;
pub mod listener;
pub mod pb;
pub mod private_file;
pub mod rpc;
pub mod wkt;
