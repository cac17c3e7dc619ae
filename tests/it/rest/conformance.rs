//! What an account does, whatever its forge: one list, for every fake and for a real Gitea.
//!
//! The forge holds a repository `hello` with the branches `main` and `feature/x` and three pull requests: an open one from
//! `feature/x`, a merged one from a fork, and a closed one whose source is gone.
use http::Method;
use serde_json::{Value, json};

use super::site::link;
use crate::support::{Actor, Answer};

/// A member of Sealink, and the person at the forge that it is to be linked with.
pub(super) struct Subject<'a> {
    pub(super) nora: &'a Actor,
    pub(super) scm_type: &'a str,
    pub(super) url: &'a str,
    /// Whose `hello` it is.
    pub(super) login: &'a str,
    /// Who has a fork of it.
    pub(super) fan: &'a str,
    /// The only organization of `login`.
    pub(super) organization: &'a str,
    /// Two tokens of `login`, and one of somebody else.
    pub(super) token: &'a str,
    pub(super) next_token: &'a str,
    pub(super) other_token: &'a str,
}

/// What stands under this member in each item of a list, sorted.
pub(super) fn names(values: &Value, list: &str, member: &str) -> Vec<String> {
    let values = values[list].as_array().unwrap_or_else(|| panic!("no {list}: {values}"));
    let mut names: Vec<_> = values.iter().map(|one| one[member].as_str().expect("text").to_owned()).collect();
    names.sort();
    names
}

impl Subject<'_> {
    async fn link(&self, token: &str) -> Answer {
        let account = json!({ "scm_type": self.scm_type, "url": self.url, "access_token": token });
        link(self.nora, &account).await
    }

    async fn rest(&self, method: Method, rest: &str) -> Answer {
        let path = format!("/v1/scm_integrations/{}{rest}", self.scm_type);
        self.nora.rest(method, &path, None).await
    }

    async fn get(&self, rest: &str) -> Value {
        self.rest(Method::GET, rest).await.ok()
    }

    fn hello(&self) -> String {
        format!("{}/hello", self.login)
    }

    fn fork(&self) -> String {
        format!("{}/hello", self.fan)
    }

    /// The whole list; `fan` and `login` are nobody's accounts before and after.
    pub(super) async fn behaves(&self) {
        let account = self.is_linked().await;
        self.imports_keys_once().await;
        self.searches_repositories().await;
        self.lists_organizations().await;
        self.searches_pull_requests().await;
        self.lists_branches().await;
        self.replaces_the_token(&account).await;
        assert_eq!(self.rest(Method::DELETE, "").await.status, 204);
        self.rest(Method::GET, "").await.said(404, "SCM integration not found");
    }

    async fn is_linked(&self) -> Value {
        let wrong = self.link("0123456789abcdef0123456789abcdef01234567").await;
        wrong.said(422, "access_token is not accepted by the forge");
        let made = self.link(self.token).await;
        assert_eq!(made.status, 201, "{}: {made:?}", self.scm_type);
        let account = made.value()["scm_integration"].clone();
        assert_eq!(
            (&account["scm_type"], &account["url"], &account["username"]),
            (&json!(self.scm_type), &json!(self.url), &json!(self.login))
        );
        assert!(account["uid"].as_str().is_some_and(|uid| uid.parse::<u64>().is_ok()), "{account}");
        assert!(account["email"].as_str().is_some_and(|email| email.contains('@')), "{account}");
        let page = account["profile_url"].as_str().expect("a page");
        assert!(page.ends_with(&format!("/{}", self.login)), "{page}");
        assert_eq!(account["owner"]["username"], "nora");
        for id in [account["id"].as_str().expect("an id"), self.scm_type] {
            let path = format!("/v1/scm_integrations/{id}");
            let shown = self.nora.rest(Method::GET, &path, None).await.ok();
            assert_eq!(shown, json!({ "scm_integration": account }));
        }
        account
    }

    async fn imports_keys_once(&self) {
        let imported = self.rest(Method::POST, "/import_keys").await;
        assert_eq!(imported.status, 201, "{imported:?}");
        let keys = imported.value();
        let laptop = format!("{}-work laptop", self.scm_type);
        assert!(names(&keys, "keys", "name").contains(&laptop), "{keys}");
        let again = self.rest(Method::POST, "/import_keys").await;
        assert_eq!((again.status.as_u16(), again.value()), (201, json!({ "keys": [] })));
        for key in keys["keys"].as_array().expect("keys") {
            let path = format!("/v1/keys/{}", key["id"].as_str().expect("an id"));
            assert_eq!(self.nora.rest(Method::DELETE, &path, None).await.status, 204);
        }
    }

    /// Of the two people here: a forge may know more.
    async fn found(&self, query: &str) -> Vec<String> {
        let found = self.get(&format!("/search_repos?query={query}")).await;
        let mut found = names(&found, "repositories", "fullName");
        found.retain(|name| [self.hello(), self.fork()].contains(name));
        found
    }

    async fn searches_repositories(&self) {
        let (hello, fork, login) = (self.hello(), self.fork(), self.login);
        assert_eq!(self.found("hell").await, [hello.as_str()], "{}: forks are left out", self.scm_type);
        let mut both = [hello.clone(), fork];
        both.sort();
        assert_eq!(self.found("hell+fork:true").await, both, "{}", self.scm_type);
        let own = self.get(&format!("/search_repos?query=user:{login}")).await;
        let own = names(&own, "repositories", "fullName");
        assert!(own.contains(&hello), "{}: {own:?}", self.scm_type);
        assert!(own.iter().all(|name| name.starts_with(&format!("{login}/"))), "{own:?}");
        for nothing in ["zzz", "user:nobody-here"] {
            let found = self.get(&format!("/search_repos?query={nothing}")).await;
            assert_eq!(found, json!({ "repositories": [] }), "{} {nothing}", self.scm_type);
        }
        let found = self.get("/search_repos?query=hell").await;
        let all = found["repositories"].as_array().expect("repositories");
        let first = all.iter().find(|one| one["fullName"] == json!(hello)).expect("it");
        assert!(first["id"].is_u64() && first["url"].is_string() && first["description"].is_null());
        assert_eq!(first["name"], "hello");
        assert_eq!(self.rest(Method::POST, "/search_repos?query=hell").await.ok(), found);
        // No text of a person goes into an address as it is.
        self.get("/search_repos?query=%26page%3D9%23x+user:octo").await;
    }

    async fn lists_organizations(&self) {
        let found = self.get("/orgs").await;
        assert_eq!(names(&found, "organizations", "login"), [self.organization], "{}", self.scm_type);
        let first = &found["organizations"][0];
        assert!(first["id"].is_u64() && first["avatarUrl"].is_string() && first["url"].is_string());
        assert!(first["description"].is_null(), "{first}");
        let meta = json!({ "pagination": {
            "current_page": 1, "prev_page": null, "next_page": null, "total_pages": 1, "total_count": 1,
            "per_page": 20,
        } });
        assert_eq!(found["meta"], meta);
    }

    async fn searches_pull_requests(&self) {
        let (login, scm_type) = (self.login, self.scm_type);
        let pulls = async |query: &str| self.get(&format!("/search_pull_requests?query={query}")).await;
        let open = pulls(&format!("is:open+repo:{login}%2Fhello")).await;
        let one = &open["pull_requests"][0];
        assert_eq!(names(&open, "pull_requests", "title"), ["A change"], "{scm_type}");
        assert_eq!(one["source_repo_name"], json!(self.hello()), "{scm_type}");
        assert!(one["id"].is_u64() && one["number"].is_u64() && one["html_url"].is_string(), "{one}");
        assert!(one["source_repo_html_url"].as_str().is_some_and(|url| url.ends_with(&self.hello())));
        let closed = pulls(&format!("is:closed%20repo:{login}/hello")).await;
        assert_eq!(names(&closed, "pull_requests", "title"), ["A fork's change", "An orphan"], "{scm_type}");
        assert_eq!(names(&closed, "pull_requests", "source_repo_name"), [String::new(), self.fork()]);
        let worded = pulls(&format!("repo:{login}/hello+CHANGE+fork")).await;
        assert_eq!(names(&worded, "pull_requests", "title"), ["A fork's change"], "{scm_type}");
        let missing = format!("/search_pull_requests?query=repo:{login}/missing");
        self.rest(Method::GET, &missing).await.said(404, "not found");
    }

    async fn lists_branches(&self) {
        let login = self.login;
        let answer = self.rest(Method::GET, &format!("/branches?repo_name={login}%2Fhello")).await;
        assert_eq!(names(&answer.ok(), "branches", "name"), ["feature/x", "main"], "{}", self.scm_type);
        assert_eq!(answer.headers.get("x-sealink-truncated"), None);
        let missing = self.rest(Method::GET, &format!("/branches?repo_name={login}/missing")).await;
        missing.said(404, "not found");
        assert_eq!(missing.value()["resource"], "repository");
    }

    async fn replaces_the_token(&self, account: &Value) {
        let path = format!("/v1/scm_integrations/{}", self.scm_type);
        let replace = async |token: &str| {
            let body = json!({ "scm_integration": { "access_token": token } });
            self.nora.rest(Method::PATCH, &path, Some(&body)).await
        };
        replace(self.other_token).await.said(422, "access_token belongs to another account of the forge");
        let replaced = replace(self.next_token).await.ok();
        assert_eq!(replaced, json!({ "scm_integration": account }), "{}", self.scm_type);
        self.lists_organizations().await;
    }
}
