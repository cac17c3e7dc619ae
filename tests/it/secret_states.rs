//! What agents report of secrets, as administrators see it.
use serde_json::{Value, json};

use crate::support::{Actor, Agent, TestServer, new_id, on_both_stores};

/// What the list says of one secret.
async fn state(admin: &Actor, agent: &Agent, field: &str) -> String {
    let all = admin.secrets(&agent.runner).await;
    let found = all.into_iter().find(|[_, found, ..]| found == field);
    found.unwrap_or_else(|| panic!("no {field}"))[2].clone()
}

fn report(object: &str, field: &str, (kid, version): (&str, u64), state: &str) -> Value {
    let name = if field == "llm.header" { "x-team" } else { "" };
    json!({ "secrets": [{
        "objectId": object, "field": field, "name": name, "kid": kid, "version": version.to_string(),
        "state": format!("SECRET_STATE_{state}"),
    }] })
}

/// Of every kind of secret: its fault is shown until the agent withdraws it.
async fn faults_are_shown_until_they_are_withdrawn(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let kid = agent.register_x25519().await;
    let integration = admin.integrate(&agent.runner, &json!({})).await;
    let llm = admin.integrate_llm(&agent.runner, &json!({})).await;
    let header = json!([{ "key": "x-team", "value": "Y2FuYXJ5LWhlYWRlci00NzEx" }]);
    admin.update_llm(&llm, &json!({ "requestHeaders": header })).await.ok();
    let token = json!({
        "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_OAUTH", "refreshToken": "canary-refresh-4711",
    });
    let token = admin.store_token(&agent.runner, &token).await;
    let key = json!({ "configuration": { "honeycombApiKey": "canary-honeycomb-4711" } });
    admin.update_runner(&agent.runner, &key).await.ok();
    let id = new_id().to_string();
    for (object, field, version) in [
        (&integration, "oauth.client_secret", 1),
        (&llm, "llm.api_key", 2),
        (&llm, "llm.header", 2),
        // What agents do not know the version of.
        (&token, "host_token.value", 0),
        (&token, "host_token.refresh", 0),
        (&agent.runner, "runner.honeycomb_api_key", 0),
    ] {
        assert_eq!(state(&admin, &agent, field).await, "OK");
        for shown in ["REJECTED", "UNDECRYPTABLE", "OK"] {
            agent.report(&id, &report(object, field, (&kid, version), shown)).await.ok();
            assert_eq!(state(&admin, &agent, field).await, shown, "{field}");
        }
        // About another ciphertext, and about another version of what it belongs to.
        agent.report(&id, &report(object, field, ("another", version), "REJECTED")).await.ok();
        assert_eq!(state(&admin, &agent, field).await, "OK", "{field}");
        agent.report(&id, &report(object, field, (&kid, 9), "REJECTED")).await.ok();
        assert_eq!(state(&admin, &agent, field).await, "OK", "{field}");
    }
}

/// Who enters a secret again sees at once that it is another one, whatever was reported of the last.
async fn what_is_entered_again_works_at_once(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let kid = agent.register_x25519().await;
    let integration = admin.integrate(&agent.runner, &json!({})).await;
    let fault = report(&integration, "oauth.client_secret", (&kid, 1), "UNDECRYPTABLE");
    agent.report(&agent.id, &fault).await.ok();
    assert_eq!(state(&admin, &agent, "oauth.client_secret").await, "UNDECRYPTABLE");
    let change = json!({ "oauthPlaintextClientSecret": "canary-second-secret-4712" });
    admin.update_integration(&integration, &change).await.ok();
    assert_eq!(state(&admin, &agent, "oauth.client_secret").await, "OK");
    // Another runner says nothing about it.
    let other = admin.register().await;
    let fault = report(&integration, "oauth.client_secret", (&kid, 2), "UNDECRYPTABLE");
    other.report(&other.id, &fault).await.ok();
    assert_eq!(state(&admin, &agent, "oauth.client_secret").await, "OK");
}

on_both_stores!(faults_are_shown_until_they_are_withdrawn, what_is_entered_again_works_at_once);
