//! Whether a runner's agents live, and what they say of it.
use serde_json::{Value, json};

use crate::support::{Agent, TestServer, new_id, on_both_stores};

async fn status(agent: &Agent) -> Value {
    agent.actor.runner(&agent.runner).await["status"].clone()
}

/// A runner is CREATED until it has a key, and INACTIVE until an agent takes calls.
async fn a_heartbeat_alone_makes_nobody_active(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let id = new_id().to_string();
    let beat = agent.beat(&id).await.ok();
    assert_eq!(beat["phase"], "RUNNER_PHASE_CREATED");
    assert_eq!(beat["interval"], "30s");
    assert_eq!(beat.get("activeKid").and_then(Value::as_str).unwrap_or_default(), "");
    let kid = agent.register_x25519().await;
    let beat = agent.beat(&id).await.ok();
    assert_eq!((&beat["phase"], &beat["activeKid"]), (&json!("RUNNER_PHASE_INACTIVE"), &json!(kid)));
    assert_eq!(beat["revision"], agent.configuration().await["revision"]);
    agent.beat("not-a-uuid").await.blames("agent_id");
}

/// What is absent stays, what is there replaces, and everybody who sees the runner sees it.
async fn a_status_is_put_together_from_reports(server: &TestServer) {
    let agent = server.admin().register().await;
    let id = new_id().to_string();
    let report = json!({
        "version": "1.2.3", "systemDetails": "Linux", "region": "eu-1", "llmUrl": "https://llm.example.com",
        "additionalInfo": [{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }],
        "capabilities": ["RUNNER_CAPABILITY_LIST_SCM_ORGANIZATIONS", "RUNNER_CAPABILITY_CHECK_REPOSITORY_ACCESS"],
    });
    agent.report(&id, &report).await.ok();
    let change = json!({
        "version": "1.2.4", "additionalInfo": [{ "key": "a" }, { "key": "c", "value": "3" }], "capabilities": [],
    });
    agent.report(&id, &change).await.ok();
    let seen = status(&agent).await;
    assert_eq!((&seen["version"], &seen["region"]), (&json!("1.2.4"), &json!("eu-1")), "{seen}");
    assert_eq!(seen["systemDetails"], "Linux");
    assert_eq!(seen["llmUrl"], "https://llm.example.com");
    let info = json!([{ "key": "b", "value": "2" }, { "key": "c", "value": "3" }]);
    assert_eq!(seen["additionalInfo"], info);
    assert_eq!(seen["capabilities"].as_array().map(Vec::len), Some(2), "an empty list leaves them");
    let cleared = json!({ "capabilities": ["RUNNER_CAPABILITY_UNSPECIFIED"] });
    agent.report(&id, &cleared).await.ok();
    assert!(status(&agent).await["capabilities"].as_array().is_none_or(Vec::is_empty));
    // The runner's settings are the administrator's: reports change no revision of them.
    let before = agent.configuration().await["revision"].clone();
    agent.report(&id, &report).await.ok();
    assert_eq!(agent.configuration().await["revision"], before);
}

/// A report that breaks a rule leaves nothing.
async fn a_wrong_report_is_refused_whole(server: &TestServer) {
    let agent = server.admin().register().await;
    let id = new_id().to_string();
    let many: Vec<_> = (0..51).map(|n| json!({ "key": n.to_string(), "value": "x" })).collect();
    for (report, field) in [
        (json!({ "version": "x".repeat(101) }), "version"),
        (json!({ "version": "a\nb" }), "version"),
        (json!({ "version": "9", "llmUrl": "javascript:alert(1)" }), "llm_url"),
        (json!({ "version": "9", "additionalInfo": many }), "additional_info"),
        (json!({ "version": "9", "additionalInfo": [{ "value": "x" }] }), "additional_info"),
        (json!({ "secrets": [{ "objectId": "x", "field": "f" }] }), "secrets[0].object_id"),
        (
            json!({ "secrets": [{ "objectId": id, "field": "f", "state": "SECRET_STATE_MISSING" }] }),
            "secrets.state",
        ),
    ] {
        agent.report(&id, &report).await.blames(field);
    }
    assert_eq!(status(&agent).await.get("version").and_then(Value::as_str).unwrap_or_default(), "");
}

/// Faults are kept until they are withdrawn.
async fn faulty_secrets_are_written_down(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let integration = admin.integrate(&agent.runner, &json!({})).await;
    let id = new_id().to_string();
    let report = |state: &str| {
        json!({ "secrets": [{
            "objectId": integration, "field": "oauth.client_secret", "kid": "k", "version": "1", "state": state,
        }] })
    };
    let count = "SELECT count(*) FROM secret_report WHERE state = 'UNDECRYPTABLE'";
    agent.report(&id, &report("SECRET_STATE_REJECTED")).await.ok();
    agent.report(&id, &report("SECRET_STATE_UNDECRYPTABLE")).await.ok();
    assert_eq!(server.database().count(count).await, 1);
    agent.report(&id, &report("SECRET_STATE_OK")).await.ok();
    assert_eq!(server.database().count("SELECT count(*) FROM secret_report").await, 0);
}

on_both_stores!(
    a_heartbeat_alone_makes_nobody_active,
    a_status_is_put_together_from_reports,
    a_wrong_report_is_refused_whole,
    faulty_secrets_are_written_down,
);
