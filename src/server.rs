//! The server's life: open, listen, serve, drain.
use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::{
    api::{
        self, Options,
        cors::cors,
        health::{Health, Readiness},
    },
    clock::Clock,
    config::Settings,
    data_dir::DataDir,
    domain::token::is_presettable,
    error::{Error, Kind, Result},
    listener,
    rpc::Config,
    service::{Admin, Service, Start, Writes},
    store::{Store, StoredSeed},
};

/// How often the database is asked whether it still answers.
const PROBE: Duration = Duration::from_secs(5);

/// Opens the data directory and the database, and makes the first administrator if there is none.
///
/// # Errors
/// [`Kind::Precondition`] and [`Kind::DataLoss`] for what an operator must mend before the server can run;
/// nothing was written then.
pub async fn open(settings: &Settings, preset: Option<Zeroizing<String>>) -> Result<(Service, DataDir)> {
    if preset.as_ref().is_some_and(|token| !is_presettable(token)) {
        let message = "SEALINK_ADMIN_TOKEN must be 32 to 200 printable characters without spaces, \
                       such as the output of: openssl rand -hex 32";
        return Err(Error::new(Kind::Invalid, message));
    }
    cors(&settings.cors.allowed_origins)?;
    let allowed_origins = settings.allowed_origins()?;
    let forges = settings.forges()?;
    let location = settings.location()?;
    let directory = DataDir::open(&settings.server.data_dir)?;
    // Before the schema is touched: with another root key this is not the server's database.
    let fits = |seeds: Vec<StoredSeed>| {
        if seeds.is_empty() {
            return Ok(());
        }
        directory.settle_root_key(|root_key| Start::fits(root_key, &seeds))?;
        Start::unlock(&directory.root_key(true)?, seeds).map(drop)
    };
    let store = Store::open_if(&location, fits).await?;
    let root_key = directory.root_key(Start::has_keyring(&store).await?)?;
    let public_url = settings.public_url(settings.server.listen)?;
    let start = Start { store, clock: Clock::System, root_key, allowed_origins, public_url, forges };
    let admin = match preset {
        Some(token) => Admin::Preset(token),
        None => Admin::Generated(&directory),
    };
    Ok((start.service(admin).await?, directory))
}

/// Makes a new root key and wraps the keyring with it; how many seeds, and where the key is. No server may use the database
/// meanwhile. After a crash at any moment the next start, or this again, finds the key that fits.
///
/// # Errors
/// [`Kind::Precondition`] if there is no keyring yet, or a server runs on the data directory; [`Kind::DataLoss`] if the
/// present root key is not the database's; those of the database.
pub async fn rotate_root_key(settings: &Settings) -> Result<(usize, PathBuf)> {
    let location = settings.location()?;
    let data_dir = &settings.server.data_dir;
    if !data_dir.is_dir() {
        let message = format!("there is no data directory {}: name it with --data-dir", data_dir.display());
        return Err(Error::new(Kind::Precondition, message));
    }
    let directory = DataDir::open(data_dir)?;
    let unlocks = |seeds: Vec<StoredSeed>| {
        if seeds.is_empty() {
            return Err(Error::new(Kind::Precondition, "there is no keyring yet: the first start makes it"));
        }
        directory.settle_root_key(|root_key| Start::fits(root_key, &seeds))?;
        Start::unlock(&directory.root_key(true)?, seeds).map(drop)
    };
    let store = Store::open_if(&location, unlocks).await?;
    let (old, new) = (directory.root_key(true)?, directory.next_root_key()?);
    let seeds = Start::rewrap(&store, &Clock::System, &old, &new).await?;
    directory.adopt_next_root_key()?;
    store.close().await;
    Ok((seeds, directory.root_key_path()))
}

/// Serves on `listener` until `shutdown` completes, then drains.
///
/// # Errors
/// [`Kind::Invalid`] for settings that cannot be served; [`Kind::Unavailable`] if the listener fails.
pub async fn run(
    settings: &Settings,
    service: Service,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let health = Health::new(api::SERVICES);
    let options = Options {
        rpc: Config {
            max_message: settings.limits.message_bytes,
            total: Duration::from_secs(settings.limits.request_timeout_seconds),
            ..Config::default()
        },
        origins: settings.cors.allowed_origins.clone(),
        reflection: settings.reflection(),
    };
    let address = listener.local_addr().map_err(Error::internal)?;
    let service = Arc::new(service.reached_at(settings.public_url(address)?));
    let app = api::app(Arc::clone(&service), &health, &options)?;
    let limits = listener::Limits {
        connections: settings.limits.connections,
        connections_per_ip: settings.limits.connections_per_ip,
        ..listener::Limits::default()
    };
    let jobs = service.start_jobs(api::REFRESH_QUESTION);
    health.set(Readiness::Ready);
    let probe = tokio::spawn(watch_database(Arc::clone(&service), health.clone()));
    let stopping = async {
        shutdown.await;
        health.set(Readiness::Stopping);
    };
    let served = listener::serve(listener, app, limits, stopping).await;
    probe.abort();
    jobs.stop().await;
    service.close().await;
    let (writes, commits) = service.write_counts();
    tracing::info!(writes, commits, "the database is closed");
    served.map_err(|error| Error::new(Kind::Unavailable, "the listener failed").caused_by(error))
}

/// Readiness follows the database: whether it answers, and what became of the last writes.
async fn watch_database(service: Arc<Service>, health: Health) {
    loop {
        tokio::time::sleep(PROBE).await;
        let readiness = match service.ping().await {
            Ok(()) => match service.writes().await {
                Writes::Taken => Readiness::Ready,
                Writes::Refused => Readiness::ReadOnly,
                Writes::Failing => Readiness::NotReady,
            },
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                Readiness::NotReady
            }
        };
        health.set(readiness);
    }
}
