//! A server process that keeps secrets under its own keyring, on either store, and a look at what it keeps.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sealink::at_rest::{Keyring, KeyringRow, Location, RootKey, SeedState};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use super::process::{ADMIN, Server, command, does_not_run};
use crate::support::{Database, new_id, postgres_url};

const RECORDS: &str = "SELECT id, metrics_password FROM runner";

/// Where the server is, whether it runs or not.
pub(super) struct Site {
    pub(super) directory: TempDir,
    pub(super) data_dir: PathBuf,
    postgres: Option<(String, Database)>,
}

impl Site {
    pub(super) fn sqlite() -> Self {
        Self::at(None)
    }

    pub(super) async fn postgres() -> Self {
        let name = format!("sealink_keyring_{}", new_id().simple());
        let url = Database::create_postgres(&postgres_url(), &name).await;
        let database = Database::postgres(&url, name).await;
        Self::at(Some((url, database)))
    }

    fn at(postgres: Option<(String, Database)>) -> Self {
        let directory = TempDir::new().unwrap();
        let data_dir = directory.path().join("data");
        Self { directory, data_dir, postgres }
    }

    pub(super) fn on_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    /// `sealink serve`.
    fn serve(&self) -> Command {
        self.at_database(command(&self.data_dir))
    }

    fn at_database(&self, mut command: Command) -> Command {
        if let Some((url, _)) = &self.postgres {
            command.env("SEALINK_DATABASE_URL", url);
        }
        command
    }

    pub(super) fn start(&self) -> Server {
        Server::spawn(self.serve(), &self.data_dir)
    }

    /// `sealink keys rotate-root`, for a server that does not run.
    pub(super) fn rotate_root(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
        command.args(["keys", "rotate-root", "--json", "--data-dir"]).arg(&self.data_dir);
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        self.at_database(command)
    }

    /// `sealink keys rotate` at a running server.
    pub(super) fn rotate(&self, server: &Server) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
        command.args(["keys", "rotate", "--server", &server.url]).env("SEALINK_TOKEN", ADMIN);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Makes runners whose metrics passwords the server keeps.
    pub(super) async fn fill(&self, server: &Server, runners: usize) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/gitpod.v1.RunnerService/CreateRunner", server.url);
        for number in 0..runners {
            let metrics = json!({ "password": format!("canary-metrics-{number}-4711"), "username": "me" });
            let spec = json!({ "configuration": { "metrics": metrics } });
            let body = json!({ "name": "a runner", "kind": "RUNNER_KIND_REMOTE", "spec": spec }).to_string();
            let sent = http.post(&url).bearer_auth(ADMIN).header("content-type", "application/json");
            assert_eq!(sent.body(body).send().await.unwrap().status(), 200);
        }
    }

    /// Of the keyring: each seed that is not retired.
    async fn rows(&self) -> Vec<KeyringRow> {
        let found = if let Some((_, database)) = &self.postgres {
            database.keyring().await
        } else {
            let file = self.sqlite_file().await;
            let found = file.keyring().await;
            file.remove().await;
            found
        };
        let row = |(key_id, state, wrapped, root_fingerprint): (i64, String, Vec<u8>, String)| KeyringRow {
            key_id: key_id.try_into().unwrap(),
            state: SeedState::from_name(&state).unwrap(),
            wrapped,
            root_fingerprint,
        };
        found.into_iter().map(row).filter(|row| row.state != SeedState::Retired).collect()
    }

    /// To be closed again: an open connection would keep the server from emptying its log into the file.
    async fn sqlite_file(&self) -> Database {
        Database::sqlite(&self.data_dir.join("sealink.db")).await
    }

    /// Opens every record of so many with what is in the data directory; how many need another seed than the ACTIVE one.
    pub(super) async fn stale(&self, expected: usize) -> usize {
        let root = RootKey::load(&self.data_dir.join("root.key")).unwrap();
        let keyring = Keyring::unlock(&root, &self.rows().await).unwrap();
        let records = self.records().await;
        assert_eq!(records.len(), expected);
        for (id, record) in &records {
            let id = id.to_string();
            let at = Location {
                table_and_column: "runner.metrics_password",
                owner_id: &id,
                row_id: &id,
                url_origin: "",
            };
            assert!(keyring.open(&at, record).expect("opens").starts_with(b"canary-metrics-"));
        }
        records.iter().filter(|(_, record)| Keyring::key_id_of(record) != Some(keyring.active_id())).count()
    }

    async fn records(&self) -> Vec<(Uuid, Vec<u8>)> {
        if let Some((_, database)) = &self.postgres {
            return database.records(RECORDS).await;
        }
        let file = self.sqlite_file().await;
        let found = file.records(RECORDS).await;
        file.remove().await;
        found
    }

    /// How many records each seed has; also while a server seals them again.
    pub(super) async fn by_seed(&self) -> BTreeMap<u32, usize> {
        let mut found = BTreeMap::new();
        for (_, record) in self.records().await {
            *found.entry(Keyring::key_id_of(&record).expect("sealed")).or_default() += 1;
        }
        found
    }

    /// Everything that is stored.
    async fn stored(&self) -> Vec<(String, Vec<u8>)> {
        match &self.postgres {
            Some((_, database)) => database.dump().await,
            None => vec![("file".to_owned(), fs::read(self.data_dir.join("sealink.db")).unwrap())],
        }
    }

    /// With this root key the server does not start, and nothing is written. The right one is put back.
    pub(super) async fn refuses(&self, root_key: &Path) {
        let (right, kept) = (self.data_dir.join("root.key"), self.directory.path().join("kept.key"));
        fs::rename(&right, &kept).unwrap();
        fs::copy(root_key, &right).unwrap();
        let before = self.stored().await;
        does_not_run(self.serve(), 78, "root key");
        does_not_run(self.rotate_root(), 78, "root key");
        assert!(before == self.stored().await, "the refused database was changed");
        fs::rename(kept, right).unwrap();
    }

    pub(super) async fn remove(self) {
        if let Some((_, database)) = self.postgres {
            database.remove().await;
        }
    }
}

/// 0 to `most` milliseconds, another one each time.
pub(super) fn pause(round: u64, most: u64) -> std::time::Duration {
    let scattered = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    std::time::Duration::from_millis((scattered ^ u64::from(std::process::id())) % most)
}
