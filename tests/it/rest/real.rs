//! A real Gitea behind a member's account: the list of every forge, and what only a real one can do.
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    conformance::{Subject, names},
    site::link,
};
use crate::{
    forges::RealGitea,
    support::{Actor, TestServer},
};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
const SCOPES: [&str; 3] = ["read:user", "read:organization", "read:repository"];

/// A commit on a new branch of `repository`.
async fn change(user: &RealGitea, repository: &str, branch: &str) {
    let file =
        json!({ "branch": "main", "new_branch": branch, "content": "aGVsbG8K", "message": "A change" });
    user.post(&format!("repos/{repository}/contents/{}.txt", branch.replace('/', "-")), &file).await;
}

/// A pull request from a branch of a fork, and its number.
async fn from_fork(dana: &RealGitea, fan: &RealGitea, title: &str) -> u64 {
    fan.post("repos/dana/hello/forks", &json!({})).await;
    let name = &fan.user;
    let branch = format!("by-{name}");
    change(fan, &format!("{name}/hello"), &branch).await;
    let pull = json!({ "title": title, "head": format!("{name}:{branch}"), "base": "main" });
    dana.post("repos/dana/hello/pulls", &pull).await["number"].as_u64().expect("a number")
}

/// The world of the list: `conformance.rs`.
async fn furnish(dana: &RealGitea, bob: &RealGitea, orla: &RealGitea) {
    dana.post("user/repos", &json!({ "name": "hello", "auto_init": true, "default_branch": "main" })).await;
    change(dana, "dana/hello", "feature/x").await;
    let pull = json!({ "title": "A change", "head": "feature/x", "base": "main" });
    dana.post("repos/dana/hello/pulls", &pull).await;
    let merged = from_fork(dana, bob, "A fork's change").await;
    dana.merge("dana/hello", merged).await;
    let orphan = from_fork(dana, orla, "An orphan").await;
    dana.ask(Method::PATCH, &format!("repos/dana/hello/pulls/{orphan}"), &json!({ "state": "closed" })).await;
    orla.ask(Method::DELETE, "repos/orla/hello", &json!({})).await;
    dana.post("orgs", &json!({ "username": "dana-org" })).await;
    dana.post("user/keys", &json!({ "title": "work laptop", "key": KEY })).await;
}

/// Words as a real server searches for them, and more branches than it puts on a page.
async fn lists(nora: &Actor, dana: &RealGitea) {
    let found = async |query: &str| {
        let path = format!("/v1/scm_integrations/gitea/search_repos?query={query}");
        names(&nora.rest(Method::GET, &path, None).await.ok(), "repositories", "fullName")
    };
    dana.ask(Method::PATCH, "repos/dana/hello", &json!({ "description": "A kind greeting" })).await;
    let (hello, fork) = ("dana/hello".to_owned(), "bob/hello".to_owned());
    let own = found("fork:true").await;
    assert!(own.contains(&hello) && !own.contains(&fork), "{own:?}");
    for query in ["llo+HEL", "hello+greeting", "GREETING+kind", "dan/hell"] {
        let found = found(query).await;
        assert!(found.contains(&hello) && !found.contains(&fork), "{query}: {found:?}");
    }
    for nothing in ["hello,zzz", "greeting+zzz", "zzz/hello"] {
        assert_eq!(found(nothing).await, Vec::<String>::new(), "{nothing}");
    }
    for at in 0..55 {
        let branch = json!({ "new_branch_name": format!("one-{at}"), "old_branch_name": "main" });
        dana.post("repos/dana/hello/branches", &branch).await;
    }
    let path = "/v1/scm_integrations/gitea/branches?repo_name=dana/hello";
    let all = nora.rest(Method::GET, path, None).await;
    assert_eq!(all.ok()["branches"].as_array().map(Vec::len), Some(57));
    assert_eq!(all.headers.get("x-sealink-truncated"), None);
}

async fn orgs(nora: &Actor) -> Value {
    nora.rest(Method::GET, "/v1/scm_integrations/gitea/orgs", None).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_GITEA_URL, which tests/forge/gitea sets"]
async fn a_real_gitea_behind_an_account() {
    let octo = RealGitea::connect();
    let (dana, bob) = (octo.as_new_user("dana").await, octo.as_new_user("bob").await);
    furnish(&dana, &bob, &octo.as_new_user("orla").await).await;
    let server = TestServer::start_with(&[("scm.allowed_origins", &dana.origin)]).await;
    let nora = server.member("nora").await;
    let first = dana.token("first", &SCOPES).await;
    let subject = Subject {
        nora: &nora,
        scm_type: "gitea",
        url: &dana.origin,
        login: "dana",
        fan: "bob",
        organization: "dana-org",
        token: &first,
        next_token: &dana.token("next", &SCOPES).await,
        other_token: &bob.token("bob's", &SCOPES).await,
    };
    subject.behaves().await;
    // A Forgejo of that age speaks alike.
    Subject { scm_type: "forgejo", ..subject }.behaves().await;

    let with = json!({ "scm_type": "gitea", "url": dana.origin, "access_token": first });
    assert_eq!(link(&nora, &with).await.status, StatusCode::CREATED);
    assert_eq!(names(&orgs(&nora).await, "organizations", "login"), ["dana-org"]);
    lists(&nora, &dana).await;
    // The token is revoked at the forge, and another takes its place.
    dana.ask(Method::DELETE, "users/dana/tokens/first", &json!({})).await;
    let refused = nora.rest(Method::GET, "/v1/scm_integrations/gitea/orgs", None).await;
    refused.said(403, "the forge does not accept the access token any more");
    assert_eq!(refused.value()["code"], "scm_token_rejected");
    let patch = async |token: &str| {
        let body = json!({ "scm_integration": { "access_token": token } });
        nora.rest(Method::PATCH, "/v1/scm_integrations/gitea", Some(&body)).await
    };
    assert_eq!(patch(&dana.token("narrow", &["read:user"]).await).await.status, 200);
    let branches = "/v1/scm_integrations/gitea/branches?repo_name=dana/hello";
    let refused = nora.rest(Method::GET, branches, None).await;
    assert_eq!((refused.status.as_u16(), &refused.value()["code"]), (403, &json!("scm_forbidden")));
    assert_eq!(patch(&dana.token("second", &SCOPES).await).await.status, 200);
    assert_eq!(names(&orgs(&nora).await, "organizations", "login"), ["dana-org"]);
}
