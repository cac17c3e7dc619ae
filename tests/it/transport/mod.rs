//! A small server behind the real listener, layers and bridge, and bare HTTP clients for it.
mod app;
mod client;

pub(crate) use app::{Options, Server, start};
pub(crate) use client::{Answer, Call, envelope, gzip, rpc_error};
