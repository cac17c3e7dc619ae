//! What the operator reads about a failure: one line, with the cause and the request's id.
use std::fs;

use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::process::Process;

const ADMIN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_failure_is_one_line_with_its_cause_under_the_id_that_was_answered() {
    let process = Process::start(ADMIN);
    let admin = process.bearer(ADMIN);
    let options = SqliteConnectOptions::new().filename(process.path("data/sealink.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the database");
    for (table, method, body) in [
        ("scm_integration", "RunnerConfigurationService/ListSCMIntegrations", json!({})),
        ("audit_entry", "RunnerService/CreateRunner", json!({ "name": "one", "kind": "RUNNER_KIND_REMOTE" })),
    ] {
        let rename = format!("ALTER TABLE {table} RENAME TO gone_{table}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(rename)).execute(&mut connection).await.expect("renamed");
        let answer = admin.call(method, &body).await;
        answer.refused(500, "internal", "internal");
        let id = answer.headers["x-request-id"].to_str().expect("ASCII");
        let log = fs::read_to_string(process.path("stderr")).expect("readable");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(id) && line.contains("ERROR")).collect();
        assert!(lines.len() == 1 && lines[0].contains("no such table"), "{method}: {lines:#?}");
    }
    let log = fs::read_to_string(process.path("stderr")).expect("readable");
    assert_eq!(log.lines().filter(|line| line.contains("no such table")).count(), 2, "one line for each");
}
