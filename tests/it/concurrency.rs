//! Many at once: one winner, no orphan, and nothing done by half.
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, on_both_stores};

/// A31: of many that create the same integration, one does; and never two that differ in case only.
async fn a31_of_fifty_creates_exactly_one_wins(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    for round in 0..3 {
        let over = |at: usize| {
            let host = format!("GHE{round}.example.com");
            let host = if at.is_multiple_of(2) { host } else { host.to_lowercase() };
            json!({ "host": host, "oauthPlaintextClientSecret": format!("secret-{at}") })
        };
        let overs: Vec<_> = (0..50).map(over).collect();
        let all = join_all(overs.iter().map(|over| admin.try_integrate(&agent.runner, over))).await;
        let won: Vec<_> = (0..50).filter(|&at| all[at].status.is_success()).collect();
        assert_eq!(won.len(), 1, "round {round}");
        for lost in all.iter().filter(|answer| !answer.status.is_success()) {
            lost.refused(409, "already_exists", "");
            assert_eq!(lost.headers["x-should-retry"], "false");
        }
        let id = all[won[0]].ok()["id"].as_str().expect("an id").to_owned();
        assert_eq!(agent.opened(&id).await, format!("secret-{}", won[0]));
    }
    let serial = admin.try_integrate(&agent.runner, &json!({ "host": "ghe0.EXAMPLE.com" })).await;
    serial.refused(409, "already_exists", "");
    assert_eq!(server.database().count("SELECT count(*) FROM scm_integration").await, 3);
    // Another SCM on that host, or another runner, is another integration.
    admin.integrate(&agent.runner, &json!({ "scmId": "gitlab", "host": "ghe0.example.com" })).await;
    let other = admin.register().await;
    admin.integrate(&other.runner, &json!({ "host": "ghe0.example.com" })).await;
}

/// A35: a runner goes with everything it has; what is in flight comes before or after, never beside it.
async fn a35_deleting_a_runner_leaves_no_orphan(server: &TestServer) {
    let admin = server.admin();
    for round in 0..5 {
        let agent = admin.register().await;
        let overs: Vec<_> = (0..20).map(|at| json!({ "host": format!("h{at}.example.com") })).collect();
        let creates = join_all(overs.iter().map(|over| admin.try_integrate(&agent.runner, over)));
        let delete = async {
            tokio::time::sleep(Duration::from_millis(3 * round)).await;
            admin.delete_runner(&agent.runner).await.ok();
        };
        let (answers, ()) = tokio::join!(creates, delete);
        for answer in answers {
            if !answer.status.is_success() {
                answer.refused(404, "not_found", "runner not found");
            }
        }
    }
    for left in ["SELECT count(*) FROM scm_integration", "SELECT count(*) FROM runner_key"] {
        assert_eq!(server.database().count(left).await, 0, "{left}");
    }
}

/// Updates of one thing follow one another; none is lost between reading and writing.
async fn concurrent_updates_are_all_applied(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({ "pat": true })).await;
    let secret = json!({ "oauthPlaintextClientSecret": "second" });
    let off = json!({ "pat": false });
    let runner =
        async |spec: Value| admin.update_runner(&agent.runner, &json!({ "configuration": spec })).await;
    let (secret, off, update, log) = tokio::join!(
        admin.update_integration(&id, &secret),
        admin.update_integration(&id, &off),
        runner(json!({ "autoUpdate": true })),
        runner(json!({ "logLevel": "LOG_LEVEL_ERROR" })),
    );
    for answer in [secret, off, update, log] {
        answer.ok();
    }
    assert_eq!(agent.opened(&id).await, "second");
    assert_eq!(admin.integration(&id).await.get("pat"), None);
    let spec = admin.runner(&agent.runner).await["spec"]["configuration"].clone();
    assert_eq!((&spec["autoUpdate"], &spec["logLevel"]), (&json!(true), &json!("LOG_LEVEL_ERROR")));
}

/// How many integrations there are, how many creations were audited, how many were logged as changes.
async fn counts(server: &TestServer) -> [i64; 3] {
    let database = server.database();
    [
        database.count("SELECT count(*) FROM scm_integration").await,
        database.count("SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.create'").await,
        database
            .count("SELECT count(*) FROM configuration_change WHERE object_kind = 'scm_integration'")
            .await,
    ]
}

async fn create_with_timeout(
    actor: &Actor,
    runner: &str,
    at: usize,
    timeout: &str,
) -> crate::support::Answer {
    let path = "/gitpod.v1.RunnerConfigurationService/CreateSCMIntegration";
    let body =
        json!({ "runnerId": runner, "scmId": "github", "host": format!("t{at}.example.com"), "pat": true });
    let sent =
        actor.post(path).header("content-type", "application/json").header("connect-timeout-ms", timeout);
    crate::support::Answer::of(sent.body(body.to_string()).send().await.expect("an answer")).await
}

/// A37: a deadline that has passed, or is no deadline.
async fn a37_deadlines(server: &TestServer) {
    let admin = server.admin();
    let (runner, _) = admin.create_runner().await;
    create_with_timeout(&admin, &runner, 0, "0").await.refused(504, "deadline_exceeded", "");
    for bad in ["-1", "x", "12345678901", "1.5"] {
        create_with_timeout(&admin, &runner, 1, bad).await.refused(400, "invalid_argument", "");
    }
    create_with_timeout(&admin, &runner, 2, "9999999999").await.ok();
    let request = crate::transport::envelope(0, &[]);
    let bearer = format!("Bearer {}", admin.token.as_deref().expect("a token"));
    for timeout in ["1n", "0S"] {
        let call = crate::transport::Call::grpc("ListSCMIntegrations", request.clone());
        let answer =
            call.header("authorization", &bearer).header("grpc-timeout", timeout).send(server.address).await;
        assert_eq!(answer.grpc().0, tonic::Code::DeadlineExceeded, "{timeout}");
    }
    settled(server).await;
}

/// A37: callers that give up at any moment leave a row with its audit and change entries, or nothing.
async fn a37_cancelled_at_any_moment(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let (mut given_up, mut done) = (0, 0);
    for batch in 0..20 {
        let calls = (0..20).map(|at| {
            let over = json!({ "host": format!("c{batch}-{at}.example.com") });
            let patience = Duration::from_micros(below(if at % 2 == 0 { 2_000 } else { 60_000 }));
            let (admin, runner) = (&admin, &agent.runner);
            async move { tokio::time::timeout(patience, admin.try_integrate(runner, &over)).await }
        });
        for outcome in join_all(calls.collect::<Vec<_>>()).await {
            match outcome {
                Ok(answer) => {
                    answer.ok();
                    done += 1;
                }
                Err(_) => given_up += 1,
            }
        }
    }
    assert!(given_up > 20, "{given_up} of 400 were given up, {done} were not");
    let [rows, ..] = settled(server).await;
    assert!(rows >= done, "an acknowledged integration is gone");
}

/// What is stored once nothing is in flight any more: as many rows as audit entries and changes.
async fn settled(server: &TestServer) -> [i64; 3] {
    let mut last = counts(server).await;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = counts(server).await;
        if now == last {
            break;
        }
        last = now;
    }
    assert!(last.iter().all(|count| *count == last[0]), "rows, audit entries, changes: {last:?}");
    last
}

on_both_stores!(
    a31_of_fifty_creates_exactly_one_wins,
    a35_deleting_a_runner_leaves_no_orphan,
    concurrent_updates_are_all_applied,
    a37_deadlines,
    a37_cancelled_at_any_moment,
);
