//! Who one is, and tokens for tokens.
use serde_json::json;

use super::{Case, Cases, cases};

pub(super) const CASES: Cases = cases! {
    "GetAuthenticatedIdentity" => identity,
    "ExchangeToken" => exchange,
};

async fn identity(case: &Case<'_>) {
    let machine = case.admin.create_service_account("somebody", "ORGANIZATION_ROLE_MEMBER").await;
    let me = case.ask_as(&machine, &json!({})).await;
    assert_eq!(me["subject"], json!({ "id": machine.id, "principal": "PRINCIPAL_SERVICE_ACCOUNT" }));
}

async fn exchange(case: &Case<'_>) {
    let (runner, exchange) = case.admin.create_runner().await;
    let traded = case.ask_as(&case.server.nobody(), &json!({ "exchangeToken": exchange })).await;
    let agent = case.admin.with_token(traded["accessToken"].as_str().expect("a token"));
    let me = agent.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
    assert_eq!(me["subject"], json!({ "id": runner, "principal": "PRINCIPAL_RUNNER" }));
}
