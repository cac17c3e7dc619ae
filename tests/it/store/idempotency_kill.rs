//! SIGKILL after COMMIT, before the client has its answer: the same key finds what was made.
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::process::{ADMIN, Server};

async fn create(url: &str, key: &str, name: &str) -> Option<(u16, Value)> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let request = http
        .post(format!("{url}/sealink.v1.UserService/CreateUser"))
        .bearer_auth(ADMIN)
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(json!({ "name": name, "email": "somebody@example.com" }).to_string());
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_slice(&answer.bytes().await.ok()?).ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a32_a_key_survives_sigkill() {
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let mut server = Server::start(&data_dir);
    let options = SqliteConnectOptions::new().filename(data_dir.join("sealink.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    for round in 0..8_u64 {
        let (key, name) = (format!("key {round}"), format!("user{round}"));
        let (url, sent) = (server.url.clone(), (key.clone(), name.clone()));
        // Its answer, if one comes, is lost.
        let lost = tokio::spawn(async move { create(&url, &sent.0, &sent.1).await });
        let mut made = None::<Uuid>;
        if round % 2 == 0 {
            // Committed for certain.
            while made.is_none() {
                made = sqlx::query_scalar("SELECT id FROM member WHERE name = $1")
                    .bind(&name)
                    .fetch_optional(&mut database)
                    .await
                    .unwrap();
            }
        } else {
            tokio::time::sleep(Duration::from_millis(round)).await;
        }
        server.kill();
        drop(lost.await);
        server = Server::start(&data_dir);
        let (status, answer) = create(&server.url, &key, &name).await.expect("an answer");
        assert_eq!(status, 200, "{answer}");
        let id = answer["user"]["id"].as_str().unwrap().to_owned();
        if let Some(made) = made {
            assert_eq!(id, made.to_string(), "what was committed is what is answered");
        }
        let (_, again) = create(&server.url, &key, &name).await.expect("an answer");
        assert_eq!(again["user"]["id"], id);
        let count: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM idempotency i JOIN audit_entry e ON e.id = i.id AND e.object = i.object \
             WHERE i.object = $1) + (SELECT count(*) FROM audit_entry WHERE action = 'user.create')",
        )
        .bind(&id)
        .fetch_one(&mut database)
        .await
        .unwrap();
        assert_eq!(count, 1 + 1 + i64::try_from(round).unwrap(), "one key, one audit entry, for each user");
        let (status, _) = create(&server.url, &key, "somebody").await.expect("an answer");
        assert_eq!(status, 400, "another request, after the restart too");
    }
}
