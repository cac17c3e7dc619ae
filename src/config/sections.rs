//! The sections of the settings.
use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use crate::store::DatabaseUrl;

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where browsers and forges reach it; empty for where it listens.
    pub public_url: String,
    /// Where database, root key and admin token live.
    pub data_dir: PathBuf,
    /// Whether to serve reflection.
    pub reflection: Reflection,
}

/// Whether to serve reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reflection {
    /// Only while listening on loopback.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH`, `postgres://..`, or empty for the data directory's own.
    pub url: DatabaseUrl,
}

/// `[cors]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins whose pages may call.
    pub allowed_origins: Vec<String>,
}

/// `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections per address.
    pub connections_per_ip: usize,
    /// Bytes of one request message.
    pub message_bytes: usize,
    /// How long a unary call may take.
    pub request_timeout_seconds: u64,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A filter as tracing's `EnvFilter` reads it.
    pub level: String,
    /// For whom.
    pub format: LogFormat,
}

/// For whom the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    Text,
    /// Programs: one JSON object a line.
    Json,
}

/// `[scm]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scm {
    /// Origins that integrations may name although a rule refuses them.
    pub allowed_origins: Vec<String>,
    /// Private networks in which members' forges may be.
    pub allowed_cidrs: Vec<String>,
    /// Certificate authorities to trust at forges, besides the system's; empty for none.
    pub ca_file: PathBuf,
}
