//! SIGKILL while clients create: what was answered is there afterwards, whole.
//!
//! `SEALINK_ENDURE_KILLS` says how often; `tests/endure/kill` runs the long proof.
use std::{
    env, fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::process::{Client, Server};

const CLIENTS: usize = 8;

/// Creates until the server is gone: every other one with a secret. An answer counts once it was read.
async fn create_until_killed(client: Client, runner: &str, name: String, answered: &Mutex<Vec<String>>) {
    for number in 0.. {
        let mut request = json!({
            "runnerId": runner, "scmId": "github", "host": format!("{name}-{number}.example.com"), "pat": true,
        });
        if number % 2 == 0 {
            request["oauthClientId"] = "client".into();
            request["oauthPlaintextClientSecret"] = "a secret of some length".into();
        }
        match client.call("CreateSCMIntegration", &request).await {
            Some((200, answer)) => {
                answered.lock().unwrap().push(answer["id"].as_str().unwrap().to_owned());
            }
            // A server that is killed may still shut a connection, but it refuses nothing.
            Some((status, answer)) => panic!("{status}: {answer}"),
            None => return,
        }
    }
}

/// What there is of each answered id: the integration, and one audit entry for it.
async fn check(data_dir: &Path, answered: &[String]) {
    let options = SqliteConnectOptions::new().filename(data_dir.join("sealink.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    for id in answered {
        let found: (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM scm_integration WHERE id = unhex(replace($1, '-', ''))), \
             (SELECT count(*) FROM audit_entry WHERE object = $1 AND action = 'scm_integration.create')",
        )
        .bind(id)
        .fetch_one(&mut database)
        .await
        .unwrap();
        assert_eq!(found, (1, 1), "an answered create is not there, or not whole");
    }
    let halves: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM scm_integration) \
         - (SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.create')",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!(halves, 0, "an integration without its audit entry, or an entry without its integration");
    let gaps: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM runner r WHERE r.revision <> \
         (SELECT count(*) FROM configuration_change c WHERE c.runner_id = r.id)",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!(gaps, 0, "a change log has gaps");
    let integrity: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut database).await.unwrap();
    assert_eq!(integrity, "ok");
}

/// 5 to 120 ms, another one each time.
fn pause(round: u64) -> Duration {
    let scattered = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    Duration::from_millis(5 + (scattered ^ u64::from(std::process::id())) % 116)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_create_survives_sigkill() {
    let rounds = env::var("SEALINK_ENDURE_KILLS").map_or(5, |count| count.parse().expect("a number"));
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let mut server = Server::start(&data_dir);
    let once = directory.path().join("once");
    let runner = server
        .cli(&["runner", "create", "endure", "--exchange-token-file", once.to_str().unwrap()], Stdio::null());
    let agent_dir = directory.path().join("agent");
    let stdin = fs::File::open(&once).unwrap().into();
    server.cli(&["agent", "register", "--agent-dir", agent_dir.to_str().unwrap()], stdin);

    let (mut all, mut slowest) = (Vec::new(), Duration::ZERO);
    for round in 0..rounds {
        let answered = Arc::new(Mutex::new(Vec::new()));
        let clients = (0..CLIENTS).map(|number| {
            let (client, answered, runner) = (Client::new(&server), Arc::clone(&answered), runner.clone());
            let name = format!("k{round}-c{number}");
            tokio::spawn(async move { create_until_killed(client, &runner, name, &answered).await })
        });
        let clients: Vec<_> = clients.collect();
        // A kill before the first answer proves nothing.
        while answered.lock().unwrap().is_empty() && !clients.iter().any(JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(pause(round)).await;
        server.kill();
        for client in join_all(clients).await {
            client.unwrap();
        }
        let started = Instant::now();
        server = Server::start(&data_dir);
        slowest = slowest.max(started.elapsed());
        let answered = std::mem::take(&mut *answered.lock().unwrap());
        check(&data_dir, &answered).await;
        all.extend(answered);
    }
    let client = Client::new(&server);
    if let Some(id) = all.last() {
        let (status, _) = client.call("GetSCMIntegration", &json!({ "id": id })).await.unwrap();
        assert_eq!(status, 200);
    }
    check(&data_dir, &all).await;
    println!("{rounds} kills, {} answered creates, 0 lost; ready again after {slowest:?} at most", all.len());
    assert!(!all.is_empty(), "nothing was answered, so nothing was proved");
}

/// The first start may be killed at any moment; some later start succeeds and its token works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_survives_sigkill() {
    for step in 1..=4_u64 {
        let directory = TempDir::new().unwrap();
        let data_dir = directory.path().join("data");
        for round in 0..4 {
            let mut child = super::process::command(&data_dir).stderr(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(step * (4 + 3 * round))).await;
            // One that failed to start has ended by itself, and must not have.
            assert!(child.try_wait().unwrap().is_none(), "a start after a killed one fails");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let server = Server::start(&data_dir);
        let (status, _) = Client::new(&server).call("ListSCMIntegrations", &json!({})).await.unwrap();
        assert_eq!(status, 200);
        assert!(data_dir.join("root.key").exists());
    }
}
