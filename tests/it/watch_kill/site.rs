//! Servers that come back at the address where they were.
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;

use crate::{
    store::process::{Server, command_at},
    support::{Database, new_id, postgres_url},
};

/// One server on SQLite, or two on one PostgreSQL.
pub(super) struct Site {
    pub(super) servers: Vec<Server>,
    pub(super) directory: PathBuf,
    /// Of each server: its data directory and its address.
    places: Vec<(PathBuf, String)>,
    database: Option<(String, Database)>,
    killed: Option<usize>,
    _parent: TempDir,
}

impl Site {
    pub(super) fn sqlite() -> Self {
        Self::open(1, None)
    }

    pub(super) async fn postgres() -> Self {
        let name = format!("sealink_kill_{}", new_id().simple());
        let url = Database::create_postgres(&postgres_url(), &name).await;
        let database = Database::postgres(&url, name).await;
        Self::open(2, Some((url, database)))
    }

    fn open(count: usize, database: Option<(String, Database)>) -> Self {
        let parent = TempDir::new().unwrap();
        let directory = parent.path().to_owned();
        let places = (0..count).map(|at| (directory.join(format!("data{at}")), free_address())).collect();
        let mut site =
            Self { servers: Vec::new(), directory, places, database, killed: None, _parent: parent };
        for at in 0..count {
            if at > 0 {
                site.share_root_key(at);
            }
            let server = site.start(at);
            site.servers.push(server);
        }
        site
    }

    /// All servers of one database have one root key.
    fn share_root_key(&self, at: usize) {
        let (first, other) = (&self.places[0].0, &self.places[at].0);
        fs::DirBuilder::new().mode(0o700).create(other).unwrap();
        fs::copy(first.join("root.key"), other.join("root.key")).unwrap();
    }

    fn start(&self, at: usize) -> Server {
        let (data_dir, address) = &self.places[at];
        let mut command = command_at(Path::new(data_dir), address);
        if let Some((url, _)) = &self.database {
            command.args(["--database-url", url]);
        }
        Server::spawn(command, data_dir)
    }

    /// Puts something into the database that the servers know nothing of, in the words of either.
    pub(super) async fn plant(&self, [sqlite, postgres]: [&str; 2]) {
        match &self.database {
            Some((_, database)) => database.run("", postgres).await,
            None => Database::sqlite(&self.places[0].0.join("sealink.db")).await.run(sqlite, "").await,
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, at: usize) {
        self.servers[at].kill();
        self.killed = Some(at);
    }

    /// Starts again what was killed.
    pub(super) fn start_again(&mut self) {
        if let Some(at) = self.killed.take() {
            self.servers[at] = self.start(at);
        }
    }

    /// Stops the servers and removes their database.
    pub(super) async fn remove(self) {
        drop(self.servers);
        if let Some((_, database)) = self.database {
            database.remove().await;
        }
    }
}

/// An address of this machine that no program gets by asking for any: below those ports. No two sites of this process
/// get the same.
fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("a port");
    loop {
        let address = format!("127.0.0.1:{}", first + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000);
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
