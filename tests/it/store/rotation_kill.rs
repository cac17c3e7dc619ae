//! SIGKILL while the server's own keyring is rotated: every record opens afterwards, and the next rotation goes on.
//!
//! `SEALINK_ENDURE_ROTATIONS` says how often; `tests/endure/keyring` runs the long proof.
use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use sealink::at_rest::{Keyring, KeyringRow, Location, RootKey, SeedState};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::process::{ADMIN, Server, refused};

/// Six batches.
const RUNNERS: usize = 600;

async fn create(http: &reqwest::Client, server: &Server, number: usize) {
    let metrics = json!({ "password": format!("canary-metrics-{number}-4711"), "username": "me" });
    let spec = json!({ "configuration": { "metrics": metrics } });
    let body = json!({ "name": "a runner", "kind": "RUNNER_KIND_REMOTE", "spec": spec }).to_string();
    let url = format!("{}/gitpod.v1.RunnerService/CreateRunner", server.url);
    let sent = http.post(url).bearer_auth(ADMIN).header("content-type", "application/json").body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
}

/// Opens every record with what is in the data directory; how many need another seed than the ACTIVE one.
async fn stale(data_dir: &Path) -> usize {
    let options = SqliteConnectOptions::new().filename(data_dir.join("sealink.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let rows: Vec<(u32, String, Vec<u8>, String)> =
        sqlx::query_as("SELECT key_id, state, wrapped_seed, root_fingerprint FROM keyring")
            .fetch_all(&mut database)
            .await
            .unwrap();
    let row = |(key_id, state, wrapped, root_fingerprint): (u32, String, Vec<u8>, String)| KeyringRow {
        key_id,
        state: SeedState::from_name(&state).unwrap(),
        wrapped,
        root_fingerprint,
    };
    let rows: Vec<_> = rows.into_iter().map(row).collect();
    let keyring = Keyring::unlock(&RootKey::load(&data_dir.join("root.key")).unwrap(), &rows).unwrap();
    let records: Vec<(Uuid, Vec<u8>)> =
        sqlx::query_as("SELECT id, metrics_password FROM runner").fetch_all(&mut database).await.unwrap();
    assert_eq!(records.len(), RUNNERS);
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

/// 0 to 200 ms, another one each time: a rotation of these records takes some of them.
fn pause(round: u64) -> Duration {
    let scattered = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    Duration::from_millis((scattered ^ u64::from(std::process::id())) % 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_opens_after_sigkill() {
    let rounds = env::var("SEALINK_ENDURE_ROTATIONS").map_or(6, |count| count.parse().expect("a number"));
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let mut server = Server::start(&data_dir);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for number in 0..RUNNERS {
        create(&http, &server, number).await;
    }
    let (mut halves, mut resumed) = (0, 0);
    for round in 0..rounds {
        let mut rotation = Command::new(env!("CARGO_BIN_EXE_sealink"))
            .args(["keys", "rotate", "--server", &server.url])
            .env("SEALINK_TOKEN", ADMIN)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(pause(round)).await;
        server.kill();
        rotation.wait().unwrap();
        halves += usize::from(stale(&data_dir).await > 0);
        // The boot canary opens a record of each seed.
        server = Server::start(&data_dir);
        if round % 3 == 2 {
            let done: Value =
                serde_json::from_str(&server.cli(&["keys", "rotate", "--json"], Stdio::null())).unwrap();
            assert_eq!(done["stage"], "ROTATION_STAGE_DONE", "{done}");
            resumed += usize::from(done["resumed"] == true);
            assert_eq!(stale(&data_dir).await, 0);
        }
    }
    server.cli(&["keys", "rotate"], Stdio::null());
    assert_eq!(stale(&data_dir).await, 0);
    server.cli(&["audit", "verify"], Stdio::null());
    println!(
        "{rounds} kills: {halves} left records of two seeds, {resumed} rotations went on; every record opened"
    );

    // With several seeds, too, another root key is refused, and nothing is written.
    server.stop();
    let before = fs::read(data_dir.join("sealink.db")).unwrap();
    let other = directory.path().join("other.key");
    RootKey::create(&other).unwrap();
    fs::rename(&other, data_dir.join("root.key")).unwrap();
    refused(&data_dir, 78, "root key");
    assert!(before == fs::read(data_dir.join("sealink.db")).unwrap(), "the refused database was changed");
}
