//! One service implementation, every wire protocol.
//!
//! tonic speaks gRPC. The [`Bridge`] stands in front of it and turns Connect (unary, GET, streams), gRPC-Web
//! (binary and text) and JSON calls into plain, uncompressed gRPC calls and back. It never looks into a
//! message: which encoding a message has is told to the service's own tonic codec ([`codec`]) by a
//! task-local, and Connect, gRPC-Web and gRPC share the 5-byte envelope, so only headers, compression,
//! errors and the end of a body differ.
//!
//! ```text
//!  request -> classify -> read: envelope, size, gzip, "exactly one" -> inner service (auth .. tonic Routes)
//!  answer  <- protocol's own headers, gzip and ending <- redact INTERNAL and UNKNOWN <- gRPC answer
//! ```
//!
//! Framing and limits are checked before the inner service sees anything, so authentication stands between
//! them and decoding. Adding an RPC touches nothing here: [`Methods`] is read from the descriptors.
mod body;
mod bridge;
mod classify;
pub mod codec;
mod compression;
mod deadline;
mod ending;
mod envelope;
mod error;
mod get;
mod json;
mod json_scan;
mod methods;
mod read;
mod unary;
mod web;

use std::time::Duration;

pub use bridge::Bridge;
pub use deadline::Deadline;
pub(crate) use error::{RpcStatus, respond};
pub use methods::{Kind, Method, Methods};

/// Limits and habits of one [`Bridge`].
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Bytes of one request message, after decompression; larger ones are `RESOURCE_EXHAUSTED`.
    pub max_message: usize,
    /// How long a request body may stand still.
    pub body_idle: Duration,
    /// How long a unary call may take in all, its body included; of which the body may take two thirds.
    pub total: Duration,
    /// How long any other call may take until its first request message is complete.
    pub first_message: Duration,
    /// Shows the texts of INTERNAL and UNKNOWN statuses to the caller instead of the word "internal".
    /// Only for test servers whose texts are part of the test: the Connect conformance suite has its server end calls with
    /// INTERNAL and a text, and compares that text in every protocol, so what it tests must be this bridge and not another.
    /// A feature of the crate would be on for whatever a workspace builds together with that server; this is a value that
    /// no setting reaches and that `tests/it/architecture.rs` keeps the server from naming.
    pub expose_internal: bool,
}

impl Default for Config {
    /// 64 KiB, 5 s, 10 s, 5 s, nothing exposed.
    fn default() -> Self {
        Self {
            max_message: 64 * 1024,
            body_idle: Duration::from_secs(5),
            total: Duration::from_secs(10),
            first_message: Duration::from_secs(5),
            expose_internal: false,
        }
    }
}

/// Request extension: the query string of a POST, without `?`. Official clients page by query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(pub String);

/// Request extension: the query string of a Connect GET, which carried the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectGet(pub String);
