//! Runners, their tokens and policies.
use serde_json::{Value, json};

use super::{Case, Cases, cases, column};
use crate::support::{Agent, new_id};

pub(super) const CASES: Cases = cases! {
    "CreateRunner" => create,
    "GetRunner" => get,
    "ListRunners" => list,
    "UpdateRunner" => update,
    "DeleteRunner" => delete,
    "CreateRunnerToken" => create_token,
    "CreateRunnerLogsToken" => create_logs_token,
    "CreateRunnerPolicy" => create_policy,
    "ListRunnerPolicies" => list_policies,
    "UpdateRunnerPolicy" => update_policy,
    "DeleteRunnerPolicy" => delete_policy,
};

async fn create(case: &Case<'_>) {
    let made = case.ask(&json!({ "name": "brand new", "kind": "RUNNER_KIND_REMOTE" })).await;
    let id = made["runner"]["runnerId"].as_str().expect("an id");
    assert_eq!(case.admin.runner(id).await["name"], "brand new");
    let exchange = made["exchangeToken"].as_str().expect("a token");
    assert_eq!(Agent::sign_in(&case.admin, id, exchange).await.actor.runner(id).await["runnerId"], id);
}

async fn get(case: &Case<'_>) {
    let id = case.admin.create_runner().await.0;
    let got = case.ask(&json!({ "runnerId": id })).await;
    assert_eq!((&got["runner"]["runnerId"], &got["runner"]["name"]), (&json!(id), &json!("a runner")));
}

async fn list(case: &Case<'_>) {
    let agent = case.admin.enroll().await;
    let listed = case.ask_as(&agent.actor, &json!({})).await;
    assert_eq!(column(&listed, "runners", "runnerId"), [json!(agent.runner)], "a runner sees itself");
}

async fn update(case: &Case<'_>) {
    let id = case.admin.create_runner().await.0;
    case.ask(&json!({ "runnerId": id, "name": "renamed" })).await;
    assert_eq!(case.admin.runner(&id).await["name"], "renamed");
}

async fn delete(case: &Case<'_>) {
    let id = case.admin.create_runner().await.0;
    case.ask(&json!({ "runnerId": id })).await;
    let gone = case.admin.call("RunnerService/GetRunner", &json!({ "runnerId": id })).await;
    gone.refused(404, "not_found", "runner not found");
}

async fn create_token(case: &Case<'_>) {
    let id = case.admin.create_runner().await.0;
    let made = case.ask(&json!({ "runnerId": id })).await;
    let exchange = made["exchangeToken"].as_str().expect("a token");
    assert_eq!(Agent::sign_in(&case.admin, &id, exchange).await.actor.runner(&id).await["runnerId"], *id);
}

async fn create_logs_token(case: &Case<'_>) {
    let runner = &case.live.runner;
    let made = case.ask(&json!({ "runnerId": runner })).await;
    let url = case.admin.runner(runner).await["status"]["logUrl"].as_str().expect("a URL").to_owned();
    let request = case.server.http.get(url).bearer_auth(made["accessToken"].as_str().expect("a token"));
    assert_eq!(request.send().await.expect("an answer").status(), 200, "the token opens the log");
}

/// A runner and a group that has the role USER on it.
async fn policy(case: &Case<'_>) -> (String, String) {
    let runner = case.admin.create_runner().await.0;
    let group = case.admin.create_group(&format!("group-{}", new_id().simple())).await;
    let body = json!({ "runnerId": runner, "groupId": group, "role": "RUNNER_ROLE_USER" });
    case.admin.call("RunnerService/CreateRunnerPolicy", &body).await.ok();
    (runner, group)
}

/// Which group has which role.
fn roles(listed: &Value) -> Vec<(Value, Value)> {
    column(listed, "policies", "groupId").into_iter().zip(column(listed, "policies", "role")).collect()
}

async fn policies(case: &Case<'_>, runner: &str) -> Vec<(Value, Value)> {
    let body = json!({ "runnerId": runner });
    roles(&case.admin.call("RunnerService/ListRunnerPolicies", &body).await.ok())
}

async fn create_policy(case: &Case<'_>) {
    let runner = case.admin.create_runner().await.0;
    let group = case.admin.create_group("policy makers").await;
    case.ask(&json!({ "runnerId": runner, "groupId": group, "role": "RUNNER_ROLE_ADMIN" })).await;
    assert_eq!(policies(case, &runner).await, [(json!(group), json!("RUNNER_ROLE_ADMIN"))]);
}

async fn list_policies(case: &Case<'_>) {
    let (runner, group) = policy(case).await;
    let listed = case.ask(&json!({ "runnerId": runner })).await;
    assert_eq!(roles(&listed), [(json!(group), json!("RUNNER_ROLE_USER"))]);
}

async fn update_policy(case: &Case<'_>) {
    let (runner, group) = policy(case).await;
    case.ask(&json!({ "runnerId": runner, "groupId": group, "role": "RUNNER_ROLE_ADMIN" })).await;
    assert_eq!(policies(case, &runner).await, [(json!(group), json!("RUNNER_ROLE_ADMIN"))]);
}

async fn delete_policy(case: &Case<'_>) {
    let (runner, group) = policy(case).await;
    case.ask(&json!({ "runnerId": runner, "groupId": group })).await;
    assert_eq!(policies(case, &runner).await, []);
}
