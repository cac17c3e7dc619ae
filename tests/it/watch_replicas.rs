//! Several servers on one PostgreSQL: who watches one of them sees what another wrote.
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

use crate::support::{Agent, EventStream, TestServer};

fn revision(message: &Value) -> u64 {
    message["revision"].as_str().expect("a revision").parse().expect("a number")
}

/// The agent as it speaks to another server.
fn through(agent: &Agent, admin: &crate::support::Actor) -> crate::support::Actor {
    admin.with_token(agent.actor.token.as_deref().expect("a token"))
}

async fn watch(actor: &crate::support::Actor, agent: &Agent) -> (EventStream, u64) {
    let body = json!({ "agentId": agent.id });
    let mut stream = actor.stream("RunnerAgentService/WatchConfiguration", &body).await;
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
    let (mut here, first) = watch(&agent.actor, &agent).await;
    let (mut there, _) = watch(&through(&agent, &replica.admin), &agent).await;
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

/// A change whose transaction is open holds back the later one, so nobody passes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn an_open_transaction_is_never_overtaken() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate_pat(&agent.runner, "early.example.com").await;
    let (mut here, first) = watch(&agent.actor, &agent).await;
    let (mut there, _) = watch(&through(&agent, &replica.admin), &agent).await;

    let mut open = server.database().pool().begin().await.expect("a transaction");
    for sql in [
        "UPDATE runner SET revision = revision + 1",
        "INSERT INTO configuration_change \
            SELECT r.id, r.revision, 1, 'PUT', 'scm_integration', i.id \
            FROM runner r JOIN scm_integration i ON i.runner_id = r.id",
    ] {
        sqlx::query(sql).execute(&mut *open).await.expect("a statement");
    }
    let later = admin.integrate_pat(&agent.runner, "later.example.com");
    let commit = async {
        // The later change waits for the lock, and no watcher hears of either.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let heard = timeout(Duration::from_millis(1_500), here.next()).await;
        assert!(heard.is_err(), "{heard:?}");
        open.commit().await.expect("a commit");
    };
    let (later, ()) = tokio::join!(later, commit);
    for stream in [&mut here, &mut there] {
        let (one, two) = (stream.next().await, stream.next().await);
        assert_eq!((revision(&one), &one["put"]["scmIntegration"]["id"]), (first + 1, &json!(id)));
        assert_eq!((revision(&two), &two["put"]["scmIntegration"]["id"]), (first + 2, &json!(later)));
    }
    replica.stop().await;
    server.stop().await;
}
