//! Equal keys at the same time.
use std::collections::BTreeSet;

use futures_util::future::join_all;
use sqlx::Connection;

use super::{INTEGRATION, RUNNER, USER, audited, id_of, integration, runner, send, user};
use crate::support::{Answer, Database, TestServer, on_both_stores};

fn one_thing(answers: &[Answer], what: &str) {
    let mut ids = BTreeSet::new();
    for answer in answers {
        if answer.status.is_success() {
            ids.insert(id_of(answer));
        } else {
            answer.refused(409, "aborted", "in progress");
        }
    }
    assert_eq!(ids.len(), 1, "{what}");
}

/// Of fifty that come at once one makes something; the others are told of it, or to wait.
async fn a32_of_fifty_equal_keys_one_makes_something(server: &TestServer) {
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    let all = [
        (INTEGRATION, integration(&id, "one.example.com"), "scm_integration.create"),
        (RUNNER, runner("one"), "runner.create"),
        (USER, user("ada"), "user.create"),
    ];
    for (path, body, action) in all {
        let before = audited(server, action).await;
        let answers = join_all((0..50).map(|_| send(&admin, path, "key", &body))).await;
        one_thing(&answers, path);
        assert_eq!(audited(server, action).await, before + 1, "{path}");
    }
}

/// As long as the first is not done, the second is told to wait.
async fn a32_in_flight_is_aborted(server: &TestServer) {
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    crate::audit::settled(server).await;
    let body = integration(&id, "one.example.com");
    let both = async || {
        let mut calls: Vec<_> = (0..2).map(|_| Box::pin(send(&admin, INTEGRATION, "key", &body))).collect();
        let second = calls.pop().expect("two");
        match futures_util::future::select(calls.pop().expect("two"), second).await {
            futures_util::future::Either::Left(done) | futures_util::future::Either::Right(done) => done,
        }
    };
    // Whoever writes has to wait, so the answer that comes first is not the one that makes something.
    let (early, late) = match server.database() {
        Database::Sqlite(pool) => {
            let mut connection = pool.acquire().await.expect("a connection");
            let open = connection.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
            let (early, late) = both().await;
            open.rollback().await.expect("rolled back");
            (early, late.await)
        }
        Database::Postgres { pool, .. } => {
            let mut open = pool.begin().await.expect("a transaction");
            sqlx::query("SELECT id FROM runner FOR UPDATE").execute(&mut *open).await.expect("locked");
            let (early, late) = both().await;
            open.rollback().await.expect("rolled back");
            (early, late.await)
        }
    };
    early.refused(409, "aborted", "in progress");
    let made = late.ok();
    assert_eq!(send(&admin, INTEGRATION, "key", &body).await.ok(), made);
}

on_both_stores!(a32_of_fifty_equal_keys_one_makes_something, a32_in_flight_is_aborted);

/// Two servers know nothing of each other's calls in progress, and still make one thing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a32_two_servers_make_one_thing() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    for round in 0..10 {
        let (key, name) = (format!("key {round}"), format!("name{round}"));
        for (path, body) in [
            (INTEGRATION, integration(&id, &format!("{name}.example.com"))),
            (USER, user(&name)),
            (RUNNER, runner(&name)),
        ] {
            let callers = [&admin, &replica.admin].into_iter().cycle().take(8);
            let answers = join_all(callers.map(|caller| send(caller, path, &key, &body))).await;
            one_thing(&answers, path);
        }
    }
    for action in ["scm_integration.create", "user.create"] {
        assert_eq!(audited(&server, action).await, 10);
    }
    assert_eq!(audited(&server, "runner.create").await, 11);
    replica.stop().await;
    server.stop().await;
}
