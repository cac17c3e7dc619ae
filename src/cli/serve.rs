//! `sealink serve`.
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use crate::error::{Error, Kind, Result};

/// Options of the server; the rest comes from the configuration file and the environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sealink serve
  sealink serve --listen 0.0.0.0:7400 --data-dir /var/lib/sealink
  SEALINK_DATABASE_URL=postgres://sealink@db/sealink sealink serve")]
pub struct Args {
    /// The address to listen on
    #[arg(long, env = "SEALINK_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Where database, root key and admin token live
    #[arg(long, env = "SEALINK_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// `sqlite://PATH` or `postgres://..`
    #[arg(long, env = "SEALINK_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// A configuration file
    #[arg(long, env = "SEALINK_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Always, until the server exists.
pub fn run(_args: Args) -> Result<ExitCode> {
    Err(Error::new(Kind::Unimplemented, "not built yet"))
}
