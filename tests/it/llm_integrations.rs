//! LLM integrations: what is sealed, what must be sent again, what a phase means.
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{Actor, Agent, TestServer, on_both_stores};

async fn scene(server: &TestServer) -> (Actor, Agent, String) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate_llm(&agent.runner, &json!({})).await;
    (admin, agent, id)
}

fn header(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": STANDARD.encode(value) })
}

/// Every secret of the integration as the runner opens it, once a second key is there to move it to.
async fn opened(agent: &mut Agent, id: &str) -> Vec<(String, String)> {
    agent.register_x25519().await;
    let stale = agent.stale().await;
    let mine = stale.iter().filter(|one| one["sub"] == id);
    let mut found: Vec<_> = mine
        .map(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            (format!("{} {name}", one["field"].as_str().expect("a field")), agent.opened_stale(one))
        })
        .collect();
    found.sort_unstable();
    found
}

async fn what_is_created_is_read_back_and_only_the_runner_opens_it(server: &TestServer) {
    let (admin, mut agent, id) = scene(server).await;
    let shown = admin.llm(&id).await;
    let sealed = shown["encryptedApiKey"].clone();
    let expected = json!({
        "id": id, "runnerId": agent.runner, "models": ["SUPPORTED_MODEL_SONNET_4_5"],
        "endpoint": "https://llm.example.com/v1", "encryptedApiKey": sealed,
        "phase": "LLM_INTEGRATION_PHASE_AVAILABLE", "provider": "LLM_PROVIDER_ANTHROPIC",
    });
    assert_eq!(shown, expected);
    assert_eq!(agent.actor.llm(&id).await, expected);
    let headers = json!({
        "requestHeaders": [header("X-Team", "blue"), {
            "key": "x-user", "value": STANDARD.encode("request.user"),
            "headerType": "LLM_INTEGRATION_REQUEST_HEADER_TYPE_CEL_EXPRESSION",
        }],
        "maxTokens": "4096",
    });
    admin.update_llm(&id, &headers).await.ok();
    let shown = admin.llm(&id).await;
    let read = |at: usize| {
        (shown["requestHeaders"][at]["key"].clone(), shown["requestHeaders"][at]["headerType"].clone())
    };
    assert_eq!(read(0), (json!("X-Team"), json!("LLM_INTEGRATION_REQUEST_HEADER_TYPE_LITERAL")));
    assert_eq!(read(1), (json!("x-user"), json!("LLM_INTEGRATION_REQUEST_HEADER_TYPE_CEL_EXPRESSION")));
    assert_eq!((&shown["maxTokens"], &shown["encryptedApiKey"]), (&json!("4096"), &sealed));
    assert!(!shown.to_string().contains(&STANDARD.encode("blue")), "{shown}");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let all = [
        pair("llm.api_key ", "api_key"),
        pair("llm.header X-Team", "blue"),
        pair("llm.header x-user", "request.user"),
    ];
    assert_eq!(opened(&mut agent, &id).await, all);
    // Moved to the new key, they are what they were.
    for listed in agent.stale().await {
        agent.reseal(&agent.resealed(&listed).await).await.ok();
    }
    let keys = agent.actor.keys(&agent.runner).await;
    assert_eq!(keys[1]["state"], "KEY_STATE_RETIRED");
    assert_ne!(admin.llm(&id).await["encryptedApiKey"], sealed);
    assert_eq!(opened(&mut agent, &id).await, all);
    // An empty list leaves them, another replaces all.
    admin.update_llm(&id, &json!({ "requestHeaders": [] })).await.ok();
    assert_eq!(admin.llm(&id).await["requestHeaders"].as_array().map(Vec::len), Some(2));
    admin.update_llm(&id, &json!({ "requestHeaders": [header("x-only", "one")] })).await.ok();
    let names: Vec<_> = admin.secrets(&agent.runner).await.into_iter().map(|[_, field, ..]| field).collect();
    assert_eq!(names.iter().filter(|field| *field == "llm.header").count(), 1);
}

/// As for an integration's issuer: what a ciphertext is bound to changes only together with it.
async fn another_endpoint_needs_everything_again(server: &TestServer) {
    let (admin, mut agent, id) = scene(server).await;
    admin.update_llm(&id, &json!({ "requestHeaders": [header("x-team", "blue")] })).await.ok();
    let before = admin.llm(&id).await;
    let other = "https://evil.example.com/v1";
    for (change, field) in [
        (json!({ "endpoint": other }), "api_key"),
        (json!({ "endpoint": "" }), "api_key"),
        (json!({ "endpoint": other, "requestHeaders": [header("x-team", "red")] }), "api_key"),
        (json!({ "endpoint": other, "apiKey": "second" }), "request_headers"),
    ] {
        let refused = admin.update_llm(&id, &change).await;
        refused.refused(400, "failed_precondition", &format!("{field} must be set when endpoint changes"));
        assert_eq!(refused.fields(), [field]);
    }
    assert_eq!(admin.llm(&id).await, before);
    admin.update_llm(&id, &json!({ "endpoint": "https://llm.example.com/v1" })).await.ok();
    assert_eq!(admin.llm(&id).await, before, "the same endpoint is no change");
    let all = json!({ "endpoint": other, "apiKey": "second", "requestHeaders": [header("x-team", "red")] });
    admin.update_llm(&id, &all).await.ok();
    assert_eq!(admin.llm(&id).await["endpoint"], other);
    let opened = opened(&mut agent, &id).await;
    assert_eq!(opened.iter().map(|(_, secret)| secret.as_str()).collect::<Vec<_>>(), ["second", "red"]);
}

async fn phases_and_revocation(server: &TestServer) {
    let (admin, mut agent, id) = scene(server).await;
    let phase = async |id: &str| {
        admin.llm(id).await["phase"].as_str().unwrap_or_default().replace("LLM_INTEGRATION_PHASE_", "")
    };
    admin.update_llm(&id, &json!({ "requestHeaders": [header("x-team", "blue")] })).await.ok();
    admin.update_llm(&id, &json!({ "phase": "LLM_INTEGRATION_PHASE_DISABLED" })).await.ok();
    assert_eq!(phase(&id).await, "DISABLED");
    admin.update_llm(&id, &json!({ "phase": "LLM_INTEGRATION_PHASE_AVAILABLE" })).await.ok();
    assert_eq!(phase(&id).await, "AVAILABLE");
    for bad in ["LLM_INTEGRATION_PHASE_UNAVAILABLE", "LLM_INTEGRATION_PHASE_UNSPECIFIED"] {
        admin.update_llm(&id, &json!({ "phase": bad })).await.blames("phase");
    }
    let kid = agent.actor.keys(&agent.runner).await[0]["kid"].as_str().expect("a kid").to_owned();
    assert_eq!(admin.revoke(&kid).await.ok()["wipedSecrets"], 2);
    assert_eq!(phase(&id).await, "UNAVAILABLE");
    let shown = admin.llm(&id).await;
    assert!(shown["phaseReason"].as_str().is_some_and(|reason| reason.contains("enter the API key again")));
    assert_eq!((shown.get("encryptedApiKey"), shown["requestHeaders"][0].get("value")), (None, None));
    assert_eq!(shown["requestHeaders"][0]["key"], "x-team");
    assert!(admin.secrets(&agent.runner).await.iter().all(|[_, _, state, _]| state == "MISSING"));
    let text = "runner does not have a public key";
    admin.update_llm(&id, &json!({ "apiKey": "again" })).await.refused(400, "failed_precondition", text);
    admin.try_integrate_llm(&agent.runner, &json!({})).await.refused(400, "failed_precondition", text);
    let next = agent.register_x25519().await;
    admin.approve(&next).await.ok();
    admin.update_llm(&id, &json!({ "apiKey": "again" })).await.ok();
    assert_eq!(phase(&id).await, "AVAILABLE");
}

async fn wrong_values_are_refused_by_their_field(server: &TestServer) {
    let (admin, agent, id) = scene(server).await;
    for (over, field) in [
        (json!({ "models": [] }), "models"),
        (json!({ "models": [0] }), "models[0]"),
        (json!({ "models": [8, 10] }), "models[1]"),
        (json!({ "models": [8, 8] }), "models[1]"),
        (json!({ "endpoint": "http://llm.example.com" }), "endpoint"),
        (json!({ "endpoint": "https://localhost/" }), "endpoint"),
        (json!({ "apiKey": null }), "api_key"),
        (json!({ "apiKey": "canary\n" }), "api_key"),
        (json!({ "apiKey": "k".repeat(4_097) }), "api_key"),
        (json!({ "maxTokens": "18446744073709551615" }), "max_tokens"),
    ] {
        admin.try_integrate_llm(&agent.runner, &over).await.blames(field);
    }
    for (change, field) in [
        (json!({ "apiKey": "" }), "api_key"),
        (json!({ "requestHeaders": [header("host", "x")] }), "request_headers[0].key"),
        (json!({ "requestHeaders": [header("x-a", "1"), header("X-A", "2")] }), "request_headers[1].key"),
        (json!({ "requestHeaders": [header("x-a", "a\r\nb: c")] }), "request_headers[0].value"),
        (json!({ "requestHeaders": [{ "key": "x-a", "value": "/w==" }] }), "request_headers[0].value"),
    ] {
        admin.update_llm(&id, &change).await.blames(field);
    }
}

async fn the_last_of_a_model_goes_only_by_force(server: &TestServer) {
    let (admin, agent, first) = scene(server).await;
    let delete = async |id: &str, force: bool| {
        let body = json!({ "id": id, "force": force });
        admin.call("RunnerConfigurationService/DeleteLLMIntegration", &body).await
    };
    delete(&first, false).await.refused(400, "failed_precondition", "force");
    let both = json!({ "models": ["SUPPORTED_MODEL_SONNET_4_5", "SUPPORTED_MODEL_OPUS_4_5"] });
    let second = admin.integrate_llm(&agent.runner, &both).await;
    delete(&second, false).await.refused(400, "failed_precondition", "force");
    assert_eq!(delete(&first, false).await.ok(), json!({}));
    delete(&first, false).await.refused(404, "not_found", "LLM integration not found");
    admin.update_llm(&second, &json!({ "phase": "LLM_INTEGRATION_PHASE_DISABLED" })).await.ok();
    delete(&second, false).await.ok();
    let third = admin.integrate_llm(&agent.runner, &both).await;
    delete(&third, true).await.ok();
    assert_eq!(server.database().count("SELECT count(*) FROM sealed_secret").await, 0);
}

async fn lists_are_narrowed_and_paged(server: &TestServer) {
    let (admin, agent, first) = scene(server).await;
    let other = server.member("other").await.register().await;
    let mut ids = vec![first];
    for runner in [&other.runner, &agent.runner, &other.runner] {
        let id = admin.integrate_llm(runner, &json!({})).await;
        admin
            .update_llm(&id, &json!({ "requestHeaders": [header("x-a", "1"), header("x-b", "2")] }))
            .await
            .ok();
        ids.push(id);
    }
    let list = async |actor: &Actor, runners: &[&str]| {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("RunnerConfigurationService/ListLLMIntegrations?pageSize=1&token={token}");
            let page = actor.call(&path, &json!({ "filter": { "runnerIds": runners } })).await.ok();
            let rows = page["integrations"].as_array().expect("an array");
            found.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
            match page["pagination"]["nextToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => return found,
            }
        }
    };
    let pick = |picked: &[usize]| picked.iter().map(|at| ids[*at].clone()).collect::<Vec<_>>();
    assert_eq!(list(&admin, &[]).await, ids);
    assert_eq!(list(&admin, &[&agent.runner, &other.runner]).await, ids);
    assert_eq!(list(&admin, &[&agent.runner]).await, pick(&[0, 2]));
    assert_eq!(list(&other.actor, &[]).await, pick(&[1, 3]));
    assert_eq!(list(&other.actor, &[&agent.runner]).await, pick(&[]));
    assert_eq!(list(&server.member("nobody").await, &[]).await, pick(&[]));
}

on_both_stores!(
    what_is_created_is_read_back_and_only_the_runner_opens_it,
    another_endpoint_needs_everything_again,
    phases_and_revocation,
    wrong_values_are_refused_by_their_field,
    the_last_of_a_model_goes_only_by_force,
    lists_are_narrowed_and_paged,
);
