//! SIGKILL while entries are made and chained: afterwards the chain is whole and leaves nothing out.
use std::{env, process::Stdio, time::Duration};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::process::{Client, Server};

/// Answered creates, until the server is gone.
async fn create_until_killed(client: Client, runner: String, name: String) {
    for number in 0.. {
        let host = format!("{name}-{number}.example.com");
        let request = serde_json::json!({ "runnerId": runner, "scmId": "github", "host": host, "pat": true });
        if client.call("CreateSCMIntegration", &request).await.is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_survives_sigkill() {
    let rounds = env::var("SEALINK_ENDURE_KILLS").map_or(3, |count| count.parse().expect("a number"));
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let mut server = Server::start(&data_dir);
    let runner = server.cli(&["runner", "create", "endure", "--exchange-token-file", "once"], Stdio::null());
    let mut kept = server.cli(&["audit", "head"], Stdio::null());
    for round in 0..rounds {
        let client = Client::new(&server);
        let clients = (0..4).map(|number| {
            tokio::spawn(create_until_killed(client.clone(), runner.clone(), format!("r{round}-c{number}")))
        });
        let clients: Vec<_> = clients.collect();
        // The job looks every 400 ms: some kills come while it chains, some while it sleeps.
        tokio::time::sleep(Duration::from_millis(380 + round * 17 % 120)).await;
        server.kill();
        for client in clients {
            client.await.unwrap();
        }
        server = Server::start(&data_dir);
        let options = SqliteConnectOptions::new().filename(data_dir.join("sealink.db"));
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        let counted = async |database: &mut SqliteConnection, table: &str| {
            let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            sqlx::query_scalar::<_, i64>(sql).fetch_one(database).await.unwrap()
        };
        let mut patience = 600;
        // The lease of the killed server has to expire first.
        while counted(&mut database, "audit_pending").await > 0 {
            patience -= 1;
            assert!(patience > 0, "entries are not chained");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let entries = counted(&mut database, "audit_entry").await;
        assert_eq!(counted(&mut database, "audit_link").await, entries);
        kept = server.cli(&["audit", "verify", "--expect-head", &kept], Stdio::null());
        assert!(kept.starts_with(&format!("{entries}:")), "{entries} entries, but {kept}");
    }
    assert!(!kept.starts_with("1:"), "nothing was made, so nothing was proved");
}
