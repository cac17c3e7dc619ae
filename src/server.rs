//! The server's life: open, listen, serve, drain.
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::{
    api::{
        self, Options,
        cors::cors,
        health::{Health, Readiness},
    },
    at_rest::RootKey,
    clock::Clock,
    config::Settings,
    domain::{host::AllowedHosts, token::is_presettable},
    error::{Error, Kind, Result},
    listener, private_file,
    rpc::Config,
    service::{Admin, Service, Start, TokenDelivery},
    store::Store,
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
    let allowed_hosts = AllowedHosts::parse(&settings.scm.allowed_origins)?;
    let location = settings.location()?;
    let directory = DataDir::open(&settings.server.data_dir)?;
    let store = Store::open(&location).await?;
    let root_key = directory.root_key(Start::has_keyring(&store).await?)?;
    let start = Start { store, clock: Clock::System, root_key, allowed_hosts };
    let admin = match preset {
        Some(token) => Admin::Preset(token),
        None => Admin::Generated(&directory),
    };
    Ok((start.service(admin).await?, directory))
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
    let service = Arc::new(service);
    let app = api::app(Arc::clone(&service), &health, &options)?;
    let limits = listener::Limits {
        connections: settings.limits.connections,
        connections_per_ip: settings.limits.connections_per_ip,
        ..listener::Limits::default()
    };
    health.set(Readiness::Ready);
    let probe = tokio::spawn(watch_database(Arc::clone(&service), health.clone()));
    let stopping = async {
        shutdown.await;
        health.set(Readiness::Stopping);
    };
    let served = listener::serve(listener, app, limits, stopping).await;
    probe.abort();
    service.close().await;
    let (writes, commits) = service.write_counts();
    tracing::info!(writes, commits, "the database is closed");
    served.map_err(|error| Error::new(Kind::Unavailable, "the listener failed").caused_by(error))
}

/// Readiness follows the database.
async fn watch_database(service: Arc<Service>, health: Health) {
    loop {
        tokio::time::sleep(PROBE).await;
        let readiness = match service.ping().await {
            Ok(()) => Readiness::Ready,
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                Readiness::NotReady
            }
        };
        health.set(readiness);
    }
}

/// The data directory, locked for as long as this value lives.
pub struct DataDir {
    path: PathBuf,
    _lock: std::fs::File,
}

impl DataDir {
    /// Opens the directory, making it with mode 0700 if it is not there, and locks it.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if another server holds it, [`Kind::Unavailable`] if it cannot be made.
    pub fn open(path: &Path) -> Result<Self> {
        let describe = |error| {
            let message = format!("the data directory {} cannot be used: {error}", path.display());
            Error::new(Kind::Unavailable, message)
        };
        private_file::create_dir(path).map_err(describe)?;
        let lock = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(describe)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let message = format!("another server is running on the data directory {}", path.display());
            Error::new(Kind::Precondition, message)
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The root key; made only while there is no keyring that another one must open.
    fn root_key(&self, has_keyring: bool) -> Result<RootKey> {
        let path = self.path.join("root.key");
        if path.exists() {
            return RootKey::load(&path).map_err(|error| refused(&error));
        }
        if has_keyring {
            let message = format!(
                "{} is missing, and the database's keyring opens with no other: restore it from its backup",
                path.display()
            );
            return Err(Error::new(Kind::Precondition, message));
        }
        RootKey::create(&path).map_err(|error| refused(&error))
    }

    fn admin_token(&self) -> PathBuf {
        self.path.join("admin-token")
    }
}

impl TokenDelivery for DataDir {
    fn deliver(&self, token: &str) -> Result<()> {
        let path = self.admin_token();
        let text = Zeroizing::new(format!("{token}\n"));
        private_file::write(&path, text.as_bytes()).map_err(|error| {
            Error::new(Kind::Unavailable, "the admin token cannot be written").caused_by(error)
        })?;
        tracing::info!(path = %path.display(), "the administrator's token is in this file");
        Ok(())
    }

    fn withdraw(&self) -> Result<()> {
        tracing::info!("another server has made the administrator: its data directory has the token");
        std::fs::remove_file(self.admin_token()).map_err(|error| {
            Error::new(Kind::Unavailable, "an admin token that opens nothing cannot be removed")
                .caused_by(error)
        })
    }
}

fn refused(error: &crate::at_rest::RootKeyError) -> Error {
    Error::new(Kind::Precondition, format!("the root key: {error}"))
}
