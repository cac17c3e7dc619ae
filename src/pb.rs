//! Generated wire types and service traits, one module per protobuf package.
//!
//! `build.rs` makes them from `proto/`. Messages that carry a clear-text secret do not print it: their `Debug`
//! comes from `build/redact.rs`. Their JSON is canonical proto3 JSON, save that some members of answers are
//! written even when empty, and that enums and integers are read by types of our own (`build/json.rs`).
#![allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::all)]
mod base64_json;
mod number;

use base64_json::Base64;

/// Every descriptor of `proto/`, with its options: for reflection and the method table.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

pub mod gitpod {
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/gitpod.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/gitpod.v1.serde.rs"));
    }
}

pub mod sealink {
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/sealink.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/sealink.v1.serde.rs"));
    }
}

pub mod grpc {
    pub mod health {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
            include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.serde.rs"));
        }
    }
}

pub mod buf {
    pub mod validate {
        include!(concat!(env!("OUT_DIR"), "/buf.validate.rs"));
    }
}

/// Generated: `Debug` of messages with secrets.
mod redact {
    #![allow(deprecated)]
    include!(concat!(env!("OUT_DIR"), "/redact.rs"));
}
