//! `sealink serve` without the process.
use std::{fs, net::SocketAddr, os::unix::fs::DirBuilderExt};

use sealink::{config::Settings, server};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{Actor, Database, new_id};

/// A running server. Dropping it stops it; [`TestServer::stop`] also waits, and drops its PostgreSQL database.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    database: Database,
    admin: String,
    directory: TempDir,
    url: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<()>,
}

/// Where the tests on PostgreSQL make their databases.
pub(crate) fn postgres_url() -> String {
    std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL")
}

impl TestServer {
    /// A server on SQLite in a directory of its own, after its very first start.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// As [`start`](Self::start), with these settings besides.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("data/sealink.db");
        let served = serve(&directory, settings).await;
        let database = Database::sqlite(&path).await;
        Self::new(directory, served, database, None)
    }

    /// A server on a fresh PostgreSQL database.
    pub(crate) async fn start_on_postgres() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let name = format!("sealink_test_{}", new_id().simple());
        let url = Database::create_postgres(&postgres_url(), &name).await;
        let served = serve(&directory, &[("database.url", &url)]).await;
        let database = Database::postgres(&url, name).await;
        Self::new(directory, served, database, Some(url))
    }

    /// Another server on this one's PostgreSQL database. Stop it before this one.
    pub(crate) async fn replica(&self) -> Replica {
        let directory = tempfile::tempdir().expect("a directory");
        let (from, to) = (self.directory.path().join("data"), directory.path().join("data"));
        fs::DirBuilder::new().mode(0o700).create(&to).expect("a directory");
        fs::copy(from.join("root.key"), to.join("root.key")).expect("the root key");
        let url = self.url.as_ref().expect("PostgreSQL");
        let Served { address, stop, done } = serve(&directory, &[("database.url", url)]).await;
        let admin = Actor::new(self.http.clone(), address, Some(self.admin.clone()));
        Replica { admin, stop, done, _directory: directory }
    }

    fn new(directory: TempDir, served: Served, database: Database, url: Option<String>) -> Self {
        let token = fs::read_to_string(directory.path().join("data/admin-token")).expect("an admin token");
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let Served { address, stop, done } = served;
        Self {
            address,
            http,
            database,
            admin: token.trim().to_owned(),
            directory,
            url,
            stop: Some(stop),
            done,
        }
    }

    /// What SQL says about the server's database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The administrator of the first start.
    pub(crate) fn admin(&self) -> Actor {
        self.bearer(&self.admin)
    }

    /// Whoever holds `token`.
    pub(crate) fn bearer(&self, token: &str) -> Actor {
        Actor::new(self.http.clone(), self.address, Some(token.to_owned()))
    }

    /// Somebody without a token.
    pub(crate) fn nobody(&self) -> Actor {
        Actor::new(self.http.clone(), self.address, None)
    }

    /// A new member of the organization.
    pub(crate) async fn member(&self, name: &str) -> Actor {
        self.admin().create_user(name, "ORGANIZATION_ROLE_MEMBER").await
    }

    /// The administrator with a token that only reads.
    pub(crate) async fn read_only(&self) -> Actor {
        self.admin().create_token(&serde_json::json!({ "readOnly": true })).await.0
    }

    /// The administrator of another organization. No RPC makes organizations, so SQL does.
    pub(crate) async fn other_organization(&self) -> Actor {
        self.bearer(&self.database.insert_organization().await)
    }

    /// Stops the server and removes its database.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.done).await.expect("no panic");
        self.database.remove().await;
    }
}

/// A second server on a database.
pub(crate) struct Replica {
    /// The administrator, who calls this server.
    pub(crate) admin: Actor,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
    _directory: TempDir,
}

impl Replica {
    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.done.await.expect("no panic");
    }
}

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

async fn serve(directory: &TempDir, more: &[(&str, &str)]) -> Served {
    let data = directory.path().join("data").display().to_string();
    let mut flags = vec![("server.data_dir", data), ("server.listen", "127.0.0.1:0".to_owned())];
    flags.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let settings = Settings::load(None, &flags).expect("settings");
    let (service, lock) = server::open(&settings, None).await.expect("a server that starts");
    let listener = TcpListener::bind(settings.server.listen).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(async move {
        let told = async move {
            let _ = stopped.await;
        };
        server::run(&settings, service, listener, told).await.expect("a clean end");
        drop(lock);
    });
    Served { address, stop, done }
}
