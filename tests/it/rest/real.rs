//! A real Gitea behind a member's account: every call of that forge.
use std::env;

use http::Method;
use serde_json::{Value, json};

use super::site::link;
use crate::support::{Actor, TestServer};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

/// The running program, as one of its users sees it.
struct Gitea {
    origin: String,
    user: &'static str,
    password: String,
    http: reqwest::Client,
}

impl Gitea {
    /// A new user of it.
    async fn new_user(name: &'static str) -> Self {
        let variable = |name| env::var(name).unwrap_or_else(|_| panic!("{name}: run tests/forge/gitea"));
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let password = variable("TEST_GITEA_PASSWORD");
        let octo = Self { origin: variable("TEST_GITEA_URL"), user: "octo", password, http };
        let body = json!({
            "username": name, "email": format!("{name}@forge.example"), "password": octo.password,
            "must_change_password": false,
        });
        octo.ask(Method::POST, "admin/users", &body).await;
        Self { user: name, ..octo }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.http.request(method, format!("{}/api/v1/{path}", self.origin));
        let request =
            request.basic_auth(self.user, Some(&self.password)).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn make(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, body).await
    }

    async fn token(&self, name: &str, scopes: &[&str]) -> String {
        let path = format!("users/{}/tokens", self.user);
        let made = self.make(&path, &json!({ "name": name, "scopes": scopes })).await;
        made["sha1"].as_str().expect("a token").to_owned()
    }

    async fn furnish(&self) {
        let repository = |name: &str| json!({ "name": name, "auto_init": true, "default_branch": "main" });
        self.make("user/repos", &repository("storefront")).await;
        self.make("user/repos", &repository("kitchen")).await;
        let branch = json!({ "new_branch_name": "feature/x", "old_branch_name": "main" });
        self.make("repos/dana/storefront/branches", &branch).await;
        let file = json!({ "branch": "feature/x", "content": "aGVsbG8K", "message": "A change" });
        self.make("repos/dana/storefront/contents/hello.txt", &file).await;
        let pull = json!({ "title": "Faster checkout", "head": "feature/x", "base": "main" });
        self.make("repos/dana/storefront/pulls", &pull).await;
        self.make("orgs", &json!({ "username": "dana-org", "description": "Shops" })).await;
        self.make("repos/dana/storefront/forks", &json!({ "organization": "dana-org" })).await;
        self.make("user/keys", &json!({ "title": "work laptop", "key": KEY })).await;
    }
}

fn names(value: &Value, list: &str, member: &str) -> Vec<String> {
    let items = value[list].as_array().unwrap_or_else(|| panic!("no {list}: {value}"));
    items.iter().map(|one| one[member].as_str().expect("text").to_owned()).collect()
}

async fn get(nora: &Actor, path: &str) -> Value {
    nora.rest(Method::GET, &format!("/v1/scm_integrations/gitea{path}"), None).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_GITEA_URL, which tests/forge/gitea sets"]
async fn a_real_gitea_behind_an_account() {
    let dana = Gitea::new_user("dana").await;
    dana.furnish().await;
    let server = TestServer::start_with(&[("scm.allowed_origins", &dana.origin)]).await;
    let nora = server.member("nora").await;
    let scopes = ["read:user", "read:organization", "read:repository"];
    let token = dana.token("first", &scopes).await;
    let with = |token: &str| json!({ "scm_type": "gitea", "url": dana.origin, "access_token": token });
    let wrong = link(&nora, &with("0123456789abcdef0123456789abcdef01234567")).await;
    wrong.said(422, "access_token is not accepted by the forge");
    let made = link(&nora, &with(&token)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let account = made.value()["scm_integration"].clone();
    assert_eq!((&account["username"], &account["url"]), (&json!("dana"), &json!(dana.origin)));
    assert_eq!(account["email"], "dana@forge.example");
    assert!(account["uid"].as_str().is_some_and(|uid| uid.parse::<u64>().is_ok()), "{account}");
    assert_eq!(account["profile_url"], format!("{}/dana", dana.origin));

    let import = "/v1/scm_integrations/gitea/import_keys";
    let imported = nora.rest(Method::POST, import, None).await;
    assert_eq!(
        (imported.status.as_u16(), names(&imported.value(), "keys", "name")),
        (201, vec!["gitea-work laptop".to_owned()])
    );
    assert_eq!(nora.rest(Method::POST, import, None).await.value(), json!({ "keys": [] }));

    let found = get(&nora, "/search_repos?query=storefront").await;
    assert_eq!(names(&found, "repositories", "fullName"), ["dana/storefront"], "forks are left out");
    let mut forks =
        names(&get(&nora, "/search_repos?query=storefront+fork:true").await, "repositories", "fullName");
    forks.sort();
    assert_eq!(forks, ["dana-org/storefront", "dana/storefront"]);
    let mut own = names(&get(&nora, "/search_repos?query=user:dana").await, "repositories", "name");
    own.sort();
    assert_eq!(own, ["kitchen", "storefront"]);
    let of_org = get(&nora, "/search_repos?query=user:dana-org+fork:true").await;
    assert_eq!(names(&of_org, "repositories", "fullName"), ["dana-org/storefront"]);
    assert_eq!(get(&nora, "/search_repos?query=user:nobody").await, json!({ "repositories": [] }));

    let organizations = get(&nora, "/orgs").await;
    assert_eq!(names(&organizations, "organizations", "login"), ["dana-org"]);
    assert_eq!(organizations["organizations"][0]["description"], "Shops");
    let pulls = get(&nora, "/search_pull_requests?query=is:open+repo:dana%2Fstorefront+checkout").await;
    assert_eq!(names(&pulls, "pull_requests", "title"), ["Faster checkout"]);
    assert_eq!(names(&pulls, "pull_requests", "source_repo_name"), ["dana/storefront"]);
    let closed = get(&nora, "/search_pull_requests?query=is:closed+repo:dana%2Fstorefront").await;
    assert_eq!(closed, json!({ "pull_requests": [] }));
    let mut branches = names(&get(&nora, "/branches?repo_name=dana%2Fstorefront").await, "branches", "name");
    branches.sort();
    assert_eq!(branches, ["feature/x", "main"]);
    let missing = "/v1/scm_integrations/gitea/branches?repo_name=dana/missing";
    nora.rest(Method::GET, missing, None).await.said(404, "not found");

    // The token is revoked at the forge, and another takes its place.
    dana.ask(Method::DELETE, "users/dana/tokens/first", &json!({})).await;
    let refused = nora.rest(Method::GET, "/v1/scm_integrations/gitea/orgs", None).await;
    refused.said(403, "the forge does not accept the access token any more");
    assert_eq!(refused.value()["code"], "scm_token_rejected");
    let narrow = dana.token("narrow", &["read:user"]).await;
    let patch = async |token: &str| {
        let body = json!({ "scm_integration": { "access_token": token } });
        nora.rest(Method::PATCH, "/v1/scm_integrations/gitea", Some(&body)).await
    };
    assert_eq!(patch(&narrow).await.ok()["scm_integration"]["id"], account["id"]);
    let refused = nora.rest(Method::GET, missing, None).await;
    assert_eq!((refused.status.as_u16(), &refused.value()["code"]), (403, &json!("scm_forbidden")));
    let bob = Gitea::new_user("bob").await.token("bob's", &scopes).await;
    patch(&bob).await.said(422, "access_token belongs to another account of the forge");
    assert_eq!(patch(&dana.token("second", &scopes).await).await.status, 200);
    assert_eq!(names(&get(&nora, "/orgs").await, "organizations", "login"), ["dana-org"]);
}
