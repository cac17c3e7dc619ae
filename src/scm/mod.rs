//! Forges over HTTP: the only sockets that go out to them, the server's as well as the agent's, under one policy.
//!
//! ```text
//! server: service -> provider -+-> api -> http -> egress -> the forge
//! agent:  agent/forge ---------+
//! ```
pub(crate) mod api;
pub mod egress;
mod error;
pub mod http;
pub(crate) mod lists;
pub mod provider;

pub use error::{ForgeError, Result};
