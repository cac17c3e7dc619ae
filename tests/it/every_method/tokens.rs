//! Host authentication tokens.
use sealink::seal::Field;
use serde_json::{Value, json};

use super::{Case, Cases, cases, column};
use crate::support::Agent;

pub(super) const CASES: Cases = cases! {
    "CreateHostAuthenticationToken" => create,
    "GetHostAuthenticationToken" => get,
    "ListHostAuthenticationTokens" => list,
    "UpdateHostAuthenticationToken" => update,
    "DeleteHostAuthenticationToken" => delete,
};

/// The value of a host token, opened by its runner.
async fn opened(case: &Case<'_>, agent: &Agent, token: &Value) -> String {
    let id = token["id"].as_str().expect("an id");
    let sealed = case.server.database().sealed(id, "host_token.value").await.expect("a ciphertext");
    agent.opened_token(token, Field::HostTokenValue, &sealed)
}

async fn create(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let request = json!({
        "runnerId": agent.runner, "host": "github.com", "token": "canary-host-token-4711",
        "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT",
    });
    let made = case.ask(&request).await;
    assert_eq!(opened(case, &agent, &made["token"]).await, "canary-host-token-4711");
}

async fn get(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.store_token(&agent.runner, &json!({ "scopes": ["repo"] })).await;
    let token = case.ask(&json!({ "id": id })).await["token"].clone();
    assert_eq!(
        (&token["id"], &token["host"], &token["scopes"]),
        (&json!(id), &json!("github.com"), &json!(["repo"]))
    );
}

async fn list(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.store_token(&agent.runner, &json!({})).await;
    let listed = case.ask(&json!({ "filter": { "runnerId": agent.runner } })).await;
    assert_eq!(column(&listed, "tokens", "id"), [json!(id)]);
}

async fn update(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.store_token(&agent.runner, &json!({})).await;
    case.ask(&json!({ "id": id, "token": "canary-newer-token-4711" })).await;
    let token = case.admin.get_token(&id).await.ok()["token"].clone();
    assert_eq!(opened(case, &agent, &token).await, "canary-newer-token-4711");
}

async fn delete(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.store_token(&agent.runner, &json!({})).await;
    case.ask(&json!({ "id": id })).await;
    case.admin.get_token(&id).await.refused(404, "not_found", "");
}
