//! Logs: to stderr, for people or for programs.
use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::{Log, LogFormat},
    error::{Error, Kind, Result},
};

/// Starts logging as configured. Call it once.
///
/// # Errors
/// [`Kind::Invalid`] for a filter that cannot be read.
pub fn start(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.level).map_err(|_| {
        Error::new(Kind::Invalid, "log.level: must be off, error, warn, info, debug or trace")
    })?;
    // The libraries below log what they move at their finest levels; none of it may be a secret.
    let filter =
        QUIET.iter().try_fold(filter, |filter, directive| Ok(filter.add_directive(directive.parse()?)));
    let filter = filter.map_err(|error: tracing_subscriber::filter::ParseError| Error::internal(error))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| Error::internal(error.to_string()))
}

/// Libraries whose debug output quotes headers, frames, SQL or bodies: they never log below this.
const QUIET: [&str; 6] =
    ["h2=info", "hyper=info", "hyper_util=info", "tonic=info", "sqlx=warn", "tower=info"];
