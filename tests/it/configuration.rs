//! What an agent works from: one consistent snapshot, or the word that nothing changed.
use serde_json::{Value, json};

use crate::support::{Agent, TestServer, on_both_stores};

async fn ask(agent: &Agent, epoch: &Value, revision: &Value) -> Value {
    let body = json!({ "epoch": epoch, "knownRevision": revision });
    agent.actor.call("RunnerAgentService/GetConfiguration", &body).await.ok()
}

async fn unchanged_only_if_epoch_and_revision_match(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({ "pat": true })).await;
    let first = agent.configuration().await;
    let (epoch, revision) = (&first["epoch"], &first["revision"]);
    assert_eq!(first["runnerId"], json!(agent.runner));
    assert_eq!(first.get("unchanged"), None);
    assert_eq!(first["spec"], admin.runner(&agent.runner).await["spec"]);
    let unchanged = json!({ "epoch": epoch, "revision": revision, "unchanged": true });
    assert_eq!(ask(&agent, epoch, revision).await, unchanged);
    // Of another history, of the past, of the future, of no history: everything.
    let number: u64 = revision.as_str().expect("a number as text").parse().expect("a number");
    for (epoch, revision) in [
        (json!("0198a7c0-0000-7000-8000-0000000000ff"), revision.clone()),
        (json!(""), revision.clone()),
        (json!("nonsense"), json!("0")),
        (epoch.clone(), json!((number - 1).to_string())),
        (epoch.clone(), json!((number + 1).to_string())),
        (epoch.clone(), json!(u64::MAX.to_string())),
    ] {
        assert_eq!(ask(&agent, &epoch, &revision).await, first);
    }
    let kid = agent.actor.keys(&agent.runner).await[0]["kid"].clone();
    let sealed = admin.integration(&id).await["oauth"]["encryptedClientSecret"].clone();
    let configured = json!({
        "id": id, "scmId": "github", "host": "github.com", "clientId": "client_id", "pat": true,
        "encryptedClientSecret": sealed, "kid": kid, "secretState": "SECRET_STATE_OK", "version": "1",
    });
    assert_eq!(first["integrations"], json!([configured]));
}

async fn every_visible_change_counts_and_no_other(server: &TestServer) {
    let admin = server.admin();
    let (agent, other) = (admin.register().await, admin.register().await);
    let revision = async || {
        let text = agent.configuration().await["revision"].as_str().expect("text").to_owned();
        text.parse::<u64>().expect("a number")
    };
    let mut last = revision().await;
    let id = admin.integrate(&agent.runner, &json!({})).await;
    let mut step = async |counts: bool, what: &str| {
        let now = revision().await;
        if counts {
            assert!(now > last, "{what}");
        } else {
            assert_eq!(now, last, "{what}");
        }
        last = now;
    };
    step(true, "create").await;
    admin.update_integration(&id, &json!({ "pat": true })).await.ok();
    step(true, "update").await;
    admin.update_integration(&id, &json!({ "pat": true })).await.ok();
    step(false, "an update that changes nothing").await;
    admin.integrate(&other.runner, &json!({})).await;
    step(false, "another runner's").await;
    admin.update_runner(&agent.runner, &json!({ "configuration": { "autoUpdate": true } })).await.ok();
    step(true, "settings").await;
    admin.update_integration(&id, &json!({ "oauthPlaintextClientSecret": "second" })).await.ok();
    step(true, "secret").await;
    admin.integration(&id).await;
    step(false, "a read").await;
    admin.delete_integration(&id).await.ok();
    step(true, "delete").await;
    // The log of changes has one row per revision, without a gap.
    let gaps = "SELECT count(*) FROM (SELECT count(*) AS seen, max(revision) - min(revision) + 1 AS span \
        FROM configuration_change GROUP BY runner_id) AS g WHERE seen <> span";
    assert_eq!(server.database().count(gaps).await, 0);
}

/// Revision and contents are of one moment, however many writers there are.
async fn snapshots_are_consistent_under_writes(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({ "oauthPlaintextClientSecret": "0" })).await;
    let number = |value: &Value| value.as_str().expect("text").parse::<u64>().expect("a number");
    // Nothing else changes this runner, so its revision and the integration's version go in step.
    let apart = |found: &Value| number(&found["revision"]) - number(&found["integrations"][0]["version"]);
    let expected = apart(&agent.configuration().await);
    let writes = async {
        for at in 1..=30 {
            let secret = json!({ "oauthPlaintextClientSecret": at.to_string(), "pat": at % 2 == 0 });
            admin.update_integration(&id, &secret).await.ok();
        }
    };
    let reads = async {
        let mut last = 0;
        for _ in 0..60 {
            let found = agent.configuration().await;
            assert_eq!(apart(&found), expected, "{found}");
            assert!(number(&found["revision"]) >= last, "never back");
            last = number(&found["revision"]);
        }
    };
    tokio::join!(writes, reads);
    assert_eq!(agent.opened(&id).await, "30");
}

on_both_stores!(
    unchanged_only_if_epoch_and_revision_match,
    every_visible_change_counts_and_no_other,
    snapshots_are_consistent_under_writes,
);
