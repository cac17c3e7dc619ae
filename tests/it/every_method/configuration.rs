//! SCM integrations, environment classes, the schema, and validation.
use serde_json::json;

use super::{Case, Cases, cases, column};
use crate::forges::{CLIENT_ID, CLIENT_SECRET};

pub(super) const CASES: Cases = cases! {
    "CreateSCMIntegration" => create_integration,
    "GetSCMIntegration" => get_integration,
    "ListSCMIntegrations" => list_integrations,
    "UpdateSCMIntegration" => update_integration,
    "DeleteSCMIntegration" => delete_integration,
    "CreateEnvironmentClass" => create_class,
    "GetEnvironmentClass" => get_class,
    "ListEnvironmentClasses" => list_classes,
    "UpdateEnvironmentClass" => update_class,
    "GetRunnerConfigurationSchema" => get_schema,
    "ValidateRunnerConfiguration" => validate,
};

async fn create_integration(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let request = json!({
        "runnerId": agent.runner, "scmId": "gitlab", "host": "gitlab.example.com",
        "oauthClientId": "client", "oauthPlaintextClientSecret": "canary-created-secret-4711",
    });
    let made = case.ask(&request).await;
    assert_eq!(agent.opened(made["id"].as_str().expect("an id")).await, "canary-created-secret-4711");
}

async fn get_integration(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let id = case.admin.integrate_pat(&runner, "get.example.com").await;
    let got = case.ask(&json!({ "id": id })).await;
    let expected =
        json!({ "id": id, "runnerId": runner, "scmId": "github", "host": "get.example.com", "pat": true });
    assert_eq!(got["integration"], expected);
}

async fn list_integrations(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let id = case.admin.integrate_pat(&runner, "list.example.com").await;
    let listed = case.ask(&json!({ "filter": { "runnerIds": [runner] } })).await;
    assert_eq!(column(&listed, "integrations", "id"), [json!(id)]);
}

async fn update_integration(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let id = case.admin.integrate(&agent.runner, &json!({})).await;
    let change = json!({ "id": id, "oauthPlaintextClientSecret": "canary-updated-secret-4711", "pat": true });
    case.ask(&change).await;
    assert_eq!(agent.opened(&id).await, "canary-updated-secret-4711");
    assert_eq!(case.admin.integration(&id).await["pat"], true);
}

async fn delete_integration(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let id = case.admin.integrate_pat(&runner, "delete.example.com").await;
    case.ask(&json!({ "id": id })).await;
    let gone = case.admin.call("RunnerConfigurationService/GetSCMIntegration", &json!({ "id": id })).await;
    gone.refused(404, "not_found", "");
}

/// An environment class as it is read.
async fn class(case: &Case<'_>, id: &str) -> serde_json::Value {
    let body = json!({ "environmentClassId": id });
    let got = case.admin.call("RunnerConfigurationService/GetEnvironmentClass", &body).await.ok();
    got["environmentClass"].clone()
}

async fn create_class(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let request = json!({
        "runnerId": runner, "displayName": "Large", "description": "eight cores",
        "configuration": [{ "key": "type", "value": "m6" }],
    });
    let id = case.ask(&request).await["id"].clone();
    let mut expected = request;
    expected["id"] = id.clone();
    expected["enabled"] = json!(true);
    assert_eq!(class(case, id.as_str().expect("an id")).await, expected);
}

async fn get_class(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let id = case.admin.create_class(&runner).await;
    let got = case.ask(&json!({ "environmentClassId": id })).await;
    let got = &got["environmentClass"];
    assert_eq!(
        (&got["id"], &got["runnerId"], &got["displayName"]),
        (&json!(id), &json!(runner), &json!("Large"))
    );
}

async fn list_classes(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let id = case.admin.create_class(&runner).await;
    let listed = case.ask(&json!({ "filter": { "runnerIds": [runner] } })).await;
    assert_eq!(column(&listed, "environmentClasses", "id"), [json!(id)]);
}

async fn update_class(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let id = case.admin.create_class(&runner).await;
    case.ask(&json!({ "environmentClassId": id, "displayName": "Larger" })).await;
    assert_eq!(class(case, &id).await["displayName"], "Larger");
}

async fn get_schema(case: &Case<'_>) {
    let agent = case.admin.register().await;
    let schema = json!({
        "version": "7", "scm": [{ "scmId": "github", "name": "GitHub", "defaultHosts": ["github.com"], "pat": {} }],
    });
    let report = json!({ "schema": schema });
    agent.actor.call("RunnerAgentService/UpdateConfigurationSchema", &report).await.ok();
    let got = case.ask(&json!({ "runnerId": agent.runner })).await;
    assert_eq!(
        (&got["schema"]["version"], column(&got["schema"], "scm", "scmId")),
        (&json!("7"), vec![json!("github")])
    );
}

/// The live agent shows the client secret to the forge.
async fn validate(case: &Case<'_>) {
    let before = case.forge.requests().len();
    let integration = json!({
        "scmId": "github", "host": case.forge.host(), "oauthClientId": CLIENT_ID,
        "oauthPlaintextClientSecret": CLIENT_SECRET, "pat": true,
    });
    let verdict = case.ask(&json!({ "runnerId": case.live.runner, "scmIntegration": integration })).await;
    assert_eq!(verdict["scmIntegration"], json!({ "valid": true }));
    let tried = case.forge.requests().split_off(before);
    assert!(tried.iter().any(|heard| heard.body.contains(CLIENT_SECRET)), "the forge was not asked");
}
