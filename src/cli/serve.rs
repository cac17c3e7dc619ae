//! `sealink serve`.
use std::{net::SocketAddr, path::PathBuf, process::ExitCode, thread};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};
use zeroize::Zeroizing;

use super::exit;
#[cfg(target_os = "linux")]
use crate::trim;
use crate::{
    config::Settings,
    data_dir::DataDir,
    error::{Error, Kind, Result},
    server,
    service::Service,
    store::DatabaseUrl,
    telemetry,
};

/// Presets the administrator's token.
const ADMIN_TOKEN: &str = "SEALINK_ADMIN_TOKEN";

const LOCKED_OUT: &str = "no administrator's token is valid: what SEALINK_ADMIN_TOKEN presets ends when the server starts \
     without it; to get in, start with SEALINK_ADMIN_TOKEN set (if that token was revoked, to a new one: openssl rand \
     -hex 32)";

/// Options of the server; the rest comes from the configuration file and the environment.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  sealink serve
  sealink serve --listen 0.0.0.0:7400 --data-dir /var/lib/sealink
  SEALINK_DATABASE_URL=postgres://sealink@db/sealink sealink serve

The first start makes the data directory, its keys, an organization and an administrator, whose token it
leaves in the file admin-token there; SEALINK_ADMIN_TOKEN presets that token instead.

Exit codes: 64 a setting is wrong, 78 data directory or database need an operator's hand.")]
pub struct Args {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where browsers and forges reach the server, if not where it listens
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// What to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub place: Place,
}

/// Where a server's data is; what is not said here, the environment and the configuration file say.
#[derive(Debug, Default, clap::Args)]
pub struct Place {
    /// Where database, root key and admin token live
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// `sqlite://PATH` or `postgres://USER@HOST/NAME`; a password belongs into `SEALINK_DATABASE_URL`
    #[arg(long, value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,
    /// A configuration file (TOML); `config.default.toml` shows every setting
    #[arg(long, env = "SEALINK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A setting's key and its value, if an option sets it.
type Flag = (&'static str, Option<String>);

impl Place {
    /// The settings that these options and `others`, the environment and the file make.
    pub(super) fn settings(&self, others: Vec<Flag>) -> Result<Settings> {
        if self.database_url.as_ref().is_some_and(DatabaseUrl::has_password) {
            let message = "--database-url: arguments can be read by everybody on this machine, so a password must not \
                           be one: put the whole URL into SEALINK_DATABASE_URL";
            return Err(Error::new(Kind::Invalid, message));
        }
        let mut flags = others;
        flags.push(("server.data_dir", self.data_dir.as_ref().map(|path| path.display().to_string())));
        flags.push(("database.url", self.database_url.as_ref().map(|url| url.expose().to_owned())));
        let flags: Vec<_> = flags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Settings::load(self.config.as_deref(), &flags)
    }
}

/// Runs the server until SIGTERM or SIGINT, then drains; a second signal ends it at once.
///
/// # Errors
/// [`Kind::Invalid`] for a wrong setting, [`Kind::Unavailable`] if the address or the database cannot be
/// had.
pub fn run(args: &Args) -> Result<ExitCode> {
    let settings = args.place.settings(vec![
        ("server.listen", args.listen.map(|address| address.to_string())),
        ("server.public_url", args.public_url.clone()),
        ("log.level", args.log.clone()),
    ])?;
    telemetry::start(&settings.log)?;
    let preset = std::env::var(ADMIN_TOKEN).ok().map(Zeroizing::new);
    runtime()?.block_on(serve(settings, preset))
}

/// Opens everything, and says so if nobody could administer it.
async fn open(settings: &Settings, preset: Option<Zeroizing<String>>) -> Result<(Service, DataDir)> {
    let (service, directory) = server::open(settings, preset).await?;
    if !service.has_administrator_token().await? {
        // Said whatever the log level: every call would be answered 401, and nothing would tell why.
        eprintln!("{LOCKED_OUT}");
    }
    Ok((service, directory))
}

/// One core is served best by one thread that never hands work over.
fn runtime() -> Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build().map_err(Error::internal)
}

async fn serve(settings: Settings, preset: Option<Zeroizing<String>>) -> Result<ExitCode> {
    let address = settings.server.listen;
    let cannot = |error| {
        Error::new(
            Kind::Unavailable,
            format!("cannot listen on {address}: {error}; try --listen 127.0.0.1:0"),
        )
    };
    // Before anything is made: who connects meanwhile waits.
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let (service, _directory) = match open(&settings, preset).await {
        Ok(opened) => opened,
        Err(error) => return Ok(exit::of_start(&error)),
    };
    let (mut terminate, mut interrupt) = (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
    // This line says "ready", to people and to scripts: no log level hides it.
    eprintln!("listening on http://{}", listener.local_addr().map_err(Error::internal)?);
    #[cfg(target_os = "linux")]
    tokio::spawn(trim::keep_trim());
    let told = async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("draining; a second signal ends at once");
        tokio::spawn(async move {
            next(&mut terminate, &mut interrupt).await;
            std::process::exit(1);
        });
    };
    server::run(&settings, service, listener, told).await?;
    Ok(ExitCode::SUCCESS)
}

fn watch(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(Error::internal)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
