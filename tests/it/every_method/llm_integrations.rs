//! LLM integrations.
use serde_json::json;

use super::{Case, Cases, cases, column};

pub(super) const CASES: Cases = cases! {
    "CreateLLMIntegration" => create,
    "GetLLMIntegration" => get,
    "ListLLMIntegrations" => list,
    "UpdateLLMIntegration" => update,
    "DeleteLLMIntegration" => delete,
};

async fn create(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let request = json!({
        "runnerId": agent.runner, "models": ["SUPPORTED_MODEL_SONNET_4_5"], "maxTokens": "4096",
        "endpoint": "https://llm.example.com/v1", "apiKey": "canary-llm-key-4711",
    });
    let made = case.ask(&request).await;
    let shown = case.admin.llm(made["id"].as_str().expect("an id")).await;
    for member in ["runnerId", "models", "maxTokens", "endpoint"] {
        assert_eq!(shown[member], request[member]);
    }
    // What is sealed is the key: the runner opens it to seal it anew.
    let mut agent = agent;
    agent.register_x25519().await;
    assert_eq!(agent.opened_stale(&agent.stale().await[0]), "canary-llm-key-4711");
}

async fn get(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.integrate_llm(&agent.runner, &json!({})).await;
    let got = case.ask(&json!({ "id": id })).await;
    let got = &got["integration"];
    assert_eq!((&got["id"], &got["runnerId"]), (&json!(id), &json!(agent.runner)));
}

async fn list(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.integrate_llm(&agent.runner, &json!({})).await;
    let listed = case.ask(&json!({ "filter": { "runnerIds": [agent.runner] } })).await;
    assert_eq!(column(&listed, "integrations", "id"), [json!(id)]);
}

async fn update(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.integrate_llm(&agent.runner, &json!({})).await;
    case.ask(&json!({ "id": id, "maxTokens": "5" })).await;
    assert_eq!(case.admin.llm(&id).await["maxTokens"], "5");
}

async fn delete(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.integrate_llm(&agent.runner, &json!({})).await;
    case.ask(&json!({ "id": id, "force": true })).await;
    let gone = case.admin.call("RunnerConfigurationService/GetLLMIntegration", &json!({ "id": id })).await;
    gone.refused(404, "not_found", "");
}
