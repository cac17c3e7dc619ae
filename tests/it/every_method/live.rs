//! What only a live agent can answer.
use serde_json::json;

use super::{Case, Cases, cases, column};

pub(super) const CASES: Cases = cases! {
    "ParseContextURL" => parse,
    "SearchRepositories" => search,
    "ListSCMOrganizations" => organizations,
    "CheckAuthenticationForHost" => authentication,
    "CheckRepositoryAccess" => access,
};

async fn parse(case: &Case<'_>) {
    let url = format!("{}/octo/hello/tree/feature/x/src", case.forge.origin);
    let parsed = case.ask(&json!({ "runnerId": case.live.runner, "contextUrl": url })).await;
    assert_eq!((&parsed["originalContextUrl"], &parsed["scmId"]), (&json!(url), &json!("github")));
    assert_eq!(
        (&parsed["git"]["cloneUrl"], &parsed["git"]["branch"]),
        (&json!(format!("{}/octo/hello.git", case.forge.origin)), &json!("feature/x"))
    );
}

async fn search(case: &Case<'_>) {
    let found = case.ask(&json!({ "runnerId": case.live.runner, "searchString": "hello" })).await;
    assert_eq!(column(&found, "repositories", "name"), ["octo/hello", "fan/hello"]);
}

async fn organizations(case: &Case<'_>) {
    let request = json!({ "runnerId": case.live.runner, "scmHost": case.forge.host() });
    assert_eq!(column(&case.ask(&request).await, "organizations", "name"), ["octo-org"]);
}

async fn authentication(case: &Case<'_>) {
    let checked = case.ask(&json!({ "runnerId": case.live.runner, "host": case.forge.host() })).await;
    assert_eq!((&checked["authenticated"], &checked["scmName"]), (&json!(true), &json!("GitHub")));
}

async fn access(case: &Case<'_>) {
    let url = format!("{}/octo/hello", case.forge.origin);
    let checked = case.ask(&json!({ "runnerId": case.live.runner, "repositoryUrl": url })).await;
    assert_eq!(checked["hasAccess"], true);
}
