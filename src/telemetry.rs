//! Logs: to stderr, for people or for programs.
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::{
    config::{Log, LogFormat},
    error::{Error, Kind, Result},
};

/// Libraries whose debug output quotes headers, frames, SQL or bodies: they never log below this.
const QUIET: [(&str, Level); 7] = [
    ("h2", Level::INFO),
    ("hyper", Level::INFO),
    ("hyper_util", Level::INFO),
    ("tonic", Level::INFO),
    ("sqlx", Level::WARN),
    // Quotes what it does not know of a database URL.
    ("sqlx_postgres::options", Level::ERROR),
    ("tower", Level::INFO),
];

/// Starts logging as configured. Call it once.
///
/// # Errors
/// [`Kind::Invalid`] for a filter that cannot be read.
pub fn start(log: &Log) -> Result<()> {
    start_to(log, std::io::stderr)
}

/// The same, to another place than stderr.
///
/// # Errors
/// As [`start`].
pub fn start_to<W>(log: &Log, writer: W) -> Result<()>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    subscriber(log, writer)?.try_init().map_err(|error| Error::internal(error.to_string()))
}

/// What [`start`] starts, with another writer than stderr.
///
/// # Errors
/// [`Kind::Invalid`] for a filter that cannot be read.
pub fn subscriber<W>(log: &Log, writer: W) -> Result<impl Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let wanted = EnvFilter::try_new(&log.level).map_err(|_| {
        Error::new(Kind::Invalid, "log.level: must be off, error, warn, info, debug or trace")
    })?;
    let lines = fmt::layer().with_writer(writer);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(registry().with(lines.with_filter(wanted.and(quiet()))))
}

/// What is logged at most, whatever the operator asks for: a filter of its own, because a directive that names
/// a module below one of these would win over it inside the same filter.
fn quiet() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(QUIET)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_directive_makes_a_quiet_library_talk() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let level = "trace,hyper::proto=trace,h2=trace,sqlx=info,sealink::store=debug".to_owned();
            let memory = Memory::default();
            let writer = memory.clone();
            let subscriber = subscriber(&Log { level, format }, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::trace!(target: "hyper::proto::h1", "frame one");
                tracing::debug!(target: "h2::codec", "frame two");
                tracing::info!(target: "sqlx", "frame three");
                tracing::info!(target: "hyper::proto::h1", "said");
                tracing::trace!(target: "sealink::api", "traced");
                tracing::trace!(target: "sealink::store::tx", "frame four");
                tracing::debug!(target: "sealink::store::tx", "stored");
            });
            let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("frame"), "{text}");
            assert!(["said", "traced", "stored"].iter().all(|word| text.contains(word)), "{text}");
        }
    }
}
