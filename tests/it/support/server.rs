//! `sealink serve` without the process.
use std::{fs, net::SocketAddr, os::unix::fs::DirBuilderExt, sync::Arc};

use sealink::{config::Settings, scm::provider::Forges, server};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{Actor, Database, Watch, files, new_id};

/// A running server. Dropping it stops it; [`TestServer::stop`] also waits, and drops its PostgreSQL database.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    database: Option<Database>,
    admin: String,
    pub(crate) watch: Arc<Watch>,
    directory: TempDir,
    settings: Vec<(String, String)>,
    forges: Option<Forges>,
    stop: Option<oneshot::Sender<()>>,
    done: Option<JoinHandle<()>>,
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
        Self::start_on_sqlite(settings, None).await
    }

    /// As [`start`](Self::start), on this way to members' forges.
    pub(crate) async fn start_asking(forges: Forges) -> Self {
        Self::start_on_sqlite(&[], Some(forges)).await
    }

    async fn start_on_sqlite(settings: &[(&str, &str)], forges: Option<Forges>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("data/sealink.db");
        let watch = Watch::new();
        let settings = owned(settings);
        let served = serve(&directory, &settings, forges.clone()).await;
        let database = Database::sqlite(&path).await;
        let mut running = Self::new(directory, settings, served, database, watch);
        running.forges = forges;
        running
    }

    /// A server on a fresh PostgreSQL database.
    pub(crate) async fn start_on_postgres() -> Self {
        Self::start_on_postgres_with(&[]).await
    }

    /// As [`start_on_postgres`](Self::start_on_postgres), with these settings besides.
    pub(crate) async fn start_on_postgres_with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let name = format!("sealink_test_{}", new_id().simple());
        let url = Database::create_postgres(&postgres_url(), &name).await;
        let settings = owned(&[&[("database.url", url.as_str())], settings].concat());
        let watch = Watch::new();
        let served = serve(&directory, &settings, None).await;
        let database = Database::postgres(&url, name).await;
        Self::new(directory, settings, served, database, watch)
    }

    /// Another server on the same PostgreSQL database, with the same root key. Dropping it stops it.
    pub(crate) async fn replica(&self) -> Replica {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        fs::DirBuilder::new().mode(0o700).create(&data).expect("a data directory");
        fs::copy(self.directory.path().join("data/root.key"), data.join("root.key")).expect("the root key");
        let Served { address, stop, done } = serve(&directory, &self.settings, self.forges.clone()).await;
        let admin = Actor::new(self.http.clone(), address, Some(self.admin.clone()), &self.watch);
        self.watch.listens_at(address);
        Replica { admin, stop, done, _directory: directory }
    }

    /// Stops the server and starts it again on the same data, on another port.
    pub(crate) async fn restart(&mut self) {
        let forges = self.forges.take();
        self.restart_on(forges).await;
    }

    /// The same, on another way to members' forges.
    pub(crate) async fn restart_asking(&mut self, forges: Forges) {
        self.restart_on(Some(forges)).await;
    }

    async fn restart_on(&mut self, forges: Option<Forges>) {
        self.forges = forges;
        drop(self.stop.take());
        self.done.take().expect("running").await.expect("no panic");
        let Served { address, stop, done } =
            serve(&self.directory, &self.settings, self.forges.clone()).await;
        (self.address, self.stop, self.done) = (address, Some(stop), Some(done));
        self.watch.listens_at(address);
    }

    fn new(
        directory: TempDir,
        settings: Vec<(String, String)>,
        served: Served,
        database: Database,
        watch: Arc<Watch>,
    ) -> Self {
        let token = fs::read_to_string(directory.path().join("data/admin-token")).expect("an admin token");
        let root = fs::read_to_string(directory.path().join("data/root.key")).expect("a root key");
        watch.keep_secret("the root key", root.trim().as_bytes());
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let Served { address, stop, done } = served;
        watch.listens_at(address);
        Self {
            address,
            http,
            database: Some(database),
            admin: token.trim().to_owned(),
            watch,
            directory,
            settings,
            forges: None,
            stop: Some(stop),
            done: Some(done),
        }
    }

    /// What SQL says about the server's database.
    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().expect("a server that runs")
    }

    /// The administrator of the first start.
    pub(crate) fn admin(&self) -> Actor {
        self.bearer(&self.admin)
    }

    /// Whoever holds `token`.
    pub(crate) fn bearer(&self, token: &str) -> Actor {
        Actor::new(self.http.clone(), self.address, Some(token.to_owned()), &self.watch)
    }

    /// Somebody without a token.
    pub(crate) fn nobody(&self) -> Actor {
        Actor::new(self.http.clone(), self.address, None, &self.watch)
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
        self.bearer(&self.database().insert_organization().await)
    }

    /// Everything that is in the server's files.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        files(self.directory.path())
    }

    /// Stops the server and removes its database, after a last look into both.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.done.take().expect("running").await.expect("no panic");
        let database = self.database.take().expect("a server that runs");
        self.watch.end(&database.dump().await);
        database.remove().await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.watch.end(&self.files());
    }
}

/// A second server on a test server's database. Dropping it stops it.
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

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

async fn serve(directory: &TempDir, more: &[(String, String)], forges: Option<Forges>) -> Served {
    let data = directory.path().join("data").display().to_string();
    let mut flags = vec![("server.data_dir", data), ("server.listen", "127.0.0.1:0".to_owned())];
    flags.extend(more.iter().map(|(key, value)| (key.as_str(), value.clone())));
    let settings = Settings::load(None, &flags).expect("settings");
    let (service, lock) = server::open(&settings, None).await.expect("a server that starts");
    let service = match forges {
        Some(forges) => service.asking(forges),
        None => service,
    };
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
