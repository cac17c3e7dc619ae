//! Two servers on one PostgreSQL, two agents of one runner: who watches one server sees what another wrote.
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

use crate::support::{Agent, EventStream, TestServer};

fn revision(message: &Value) -> u64 {
    message["revision"].as_str().expect("a revision").parse().expect("a number")
}

async fn watch(agent: &Agent) -> (EventStream, u64) {
    let mut stream = agent.watch("", 0).await;
    let first = revision(&stream.next().await);
    (stream, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a_change_reaches_watchers_of_every_server() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let agent = admin.register().await;
    let (mut here, first) = watch(&agent).await;
    let (mut there, _) = watch(&agent.twin().through(&replica.admin)).await;
    for round in 1..=10 {
        let writer = if round % 2 == 0 { &admin } else { &replica.admin };
        writer.integrate_pat(&agent.runner, &format!("h{round}.example.com")).await;
    }
    for round in 1..=10 {
        assert_eq!(revision(&here.next().await), first + round);
        assert_eq!(revision(&there.next().await), first + round);
    }
    // Hints are hints: without them the revisions are still compared.
    let silent = "UPDATE runner SET revision = revision + 1";
    server.database().execute(silent).await;
    let log = "INSERT INTO configuration_change SELECT id, revision, 1, 'PUT', 'runner', id FROM runner";
    server.database().execute(log).await;
    assert_eq!(revision(&there.next().await), first + 11);
    assert_eq!(revision(&here.next().await), first + 11);
    replica.stop().await;
    server.stop().await;
}

/// A change whose transaction is open holds back later ones of its runner, whichever server makes them, so nobody
/// passes it; and it holds back no other runner's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn an_open_transaction_is_never_overtaken() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let (agent, other) = (admin.register().await, admin.register().await);
    let id = admin.integrate_pat(&agent.runner, "early.example.com").await;
    let (mut here, first) = watch(&agent).await;
    let (mut there, _) = watch(&agent.twin().through(&replica.admin)).await;
    let (mut elsewhere, _) = watch(&other.through(&replica.admin)).await;

    let mut open = server.database().pool().begin().await.expect("a transaction");
    for sql in [
        "UPDATE runner SET revision = revision + 1 WHERE id = $1::uuid",
        "INSERT INTO configuration_change \
            SELECT r.id, r.revision, 1, 'PUT', 'scm_integration', i.id \
            FROM runner r JOIN scm_integration i ON i.runner_id = r.id WHERE r.id = $1::uuid",
    ] {
        sqlx::query(sql).bind(&agent.runner).execute(&mut *open).await.expect("a statement");
    }
    let later = admin.integrate_pat(&agent.runner, "later.example.com");
    let last = replica.admin.integrate_pat(&agent.runner, "last.example.com");
    let commit = async {
        let free = admin.integrate_pat(&other.runner, "free.example.com").await;
        assert_eq!(elsewhere.next().await["put"]["scmIntegration"]["id"], json!(free));
        // The later changes wait for the lock, and no watcher hears of any.
        for (stream, patience) in [(&mut here, 1_200), (&mut there, 300)] {
            let heard = timeout(Duration::from_millis(patience), stream.next()).await;
            assert!(heard.is_err(), "{heard:?}");
        }
        open.commit().await.expect("a commit");
    };
    let (later, last, ()) = tokio::join!(later, last, commit);
    let mut told = Vec::new();
    for stream in [&mut here, &mut there] {
        let changes = [stream.next().await, stream.next().await, stream.next().await];
        assert_eq!(changes.each_ref().map(revision), [first + 1, first + 2, first + 3]);
        told.push(changes.map(|change| change["put"]["scmIntegration"]["id"].clone()));
    }
    assert_eq!(told[0], told[1], "both servers tell the same order");
    assert_eq!(told[0][0], json!(id), "what began first comes first");
    assert!(told[0][1..].contains(&json!(later)) && told[0][1..].contains(&json!(last)), "{told:?}");
    replica.stop().await;
    server.stop().await;
}
