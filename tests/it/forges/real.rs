//! The Gitea that `tests/forge/gitea` runs, and a person who uses it without a browser.
use std::{
    collections::HashMap,
    env,
    time::{Duration, Instant},
};

use http::{
    Method, StatusCode,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use reqwest::{RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use url::{Origin, Url};

const PATIENCE: Duration = Duration::from_secs(30);

/// The running program, as one of its users sees it: its administrator `octo`, if nobody else is meant.
pub(crate) struct RealGitea {
    pub(crate) origin: String,
    pub(crate) user: String,
    pub(crate) password: String,
    http: reqwest::Client,
}

impl RealGitea {
    pub(crate) fn connect() -> Self {
        let variable = |name| env::var(name).unwrap_or_else(|_| panic!("{name}: run tests/forge/gitea"));
        let http = client();
        let user = "octo".to_owned();
        Self { origin: variable("TEST_GITEA_URL"), user, password: variable("TEST_GITEA_PASSWORD"), http }
    }

    /// As a new user with a name that is not taken.
    pub(crate) async fn as_new_user(&self, name: &str) -> Self {
        let password = format!("canary-{}-4711", crate::support::new_id().simple());
        let body = json!({
            "username": name, "password": password, "email": format!("{name}@example.com"),
            "must_change_password": false,
        });
        self.post("admin/users", &body).await;
        Self { origin: self.origin.clone(), user: name.to_owned(), password, http: self.http.clone() }
    }

    pub(crate) fn host(&self) -> &str {
        self.origin.trim_start_matches("http://")
    }

    /// Makes something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, body).await
    }

    /// Asks the API for `path`; the answer, which must be no refusal.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, text) = self.try_ask(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn try_ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, String) {
        let request = self.http.request(method, format!("{}/api/v1/{path}", self.origin));
        let request =
            request.basic_auth(&self.user, Some(&self.password)).header("accept", "application/json");
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("a body"))
    }

    /// Merges a pull request, as soon as Gitea has found out that it can be.
    pub(crate) async fn merge(&self, repository: &str, number: u64) {
        let path = format!("repos/{repository}/pulls/{number}/merge");
        let begun = Instant::now();
        loop {
            let (status, text) = self.try_ask(Method::POST, &path, &json!({ "Do": "merge" })).await;
            if status.is_success() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: {status} {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn token(&self, name: &str, scopes: &[&str]) -> String {
        let path = format!("users/{}/tokens", self.user);
        let made = self.post(&path, &json!({ "name": name, "scopes": scopes })).await;
        made["sha1"].as_str().expect("a token").to_owned()
    }

    /// An OAuth application: client id and secret.
    pub(crate) async fn application(&self, redirect: &str) -> (String, String) {
        let body = json!({ "name": "sealink", "redirect_uris": [redirect], "confidential_client": true });
        let made = self.post("user/applications/oauth2", &body).await;
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        (text("client_id"), text("client_secret"))
    }

    /// A browser in which the user has signed in.
    pub(crate) async fn sign_in(&self) -> Browser {
        let mut browser = Browser::new();
        let login = [("user_name", self.user.as_str()), ("password", self.password.as_str())];
        let answer = browser.submit(&format!("{}/user/login", self.origin), &login).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "signed in");
        browser
    }

    /// Signs in and says yes; the code that the browser brings back with `the-state`.
    pub(crate) async fn consent(&self, authorize: &Url) -> String {
        let back = self.sign_in().await.decide(authorize, true).await;
        let back: HashMap<_, _> = back.query_pairs().into_owned().collect();
        assert_eq!(back.get("state").map(String::as_str), Some("the-state"), "{back:?}");
        back["code"].clone()
    }
}

/// Follows nothing by itself; keeps each origin's cookies, and sends the `Origin` that browsers send.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: HashMap<(Origin, String), String>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self { http: client(), cookies: HashMap::new() }
    }

    /// Says yes or no to the application that asks Gitea with `authorize`; where Gitea then sends the browser.
    pub(crate) async fn decide(&mut self, authorize: &Url, yes: bool) -> Url {
        let mut answer = self.get(authorize.as_str()).await;
        // Who said yes before is not asked again.
        if answer.status() == StatusCode::OK {
            let asked: HashMap<_, _> = authorize.query_pairs().into_owned().collect();
            let grant = [
                ("client_id", asked["client_id"].as_str()),
                ("state", asked["state"].as_str()),
                ("scope", asked["scope"].as_str()),
                ("nonce", ""),
                ("redirect_uri", asked["redirect_uri"].as_str()),
                ("granted", if yes { "true" } else { "false" }),
            ];
            let page = authorize.join("/login/oauth/grant").expect("a URL");
            answer = self.submit(page.as_str(), &grant).await;
        }
        location(&answer)
    }

    pub(crate) async fn get(&mut self, url: &str) -> Response {
        let request = self.http.get(url);
        self.send(url, request).await
    }

    pub(crate) async fn submit(&mut self, url: &str, form: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        self.send(url, request).await
    }

    async fn send(&mut self, url: &str, request: RequestBuilder) -> Response {
        let origin = Url::parse(url).expect("a URL").origin();
        let cookies = self.cookies.iter().filter(|((of, _), _)| *of == origin);
        let cookies: Vec<_> = cookies.map(|((_, name), value)| format!("{name}={value}")).collect();
        let request =
            request.header("origin", origin.ascii_serialization()).header(COOKIE, cookies.join("; "));
        let answer = request.send().await.expect("an answer");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().expect("text").split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert((origin.clone(), name.to_owned()), value.to_owned());
            }
        }
        answer
    }
}

/// Where an answer sends the browser.
#[track_caller]
pub(crate) fn location(answer: &Response) -> Url {
    let to = answer.headers().get(LOCATION).unwrap_or_else(|| panic!("no way on: {answer:?}"));
    Url::parse(to.to_str().expect("text")).expect("a URL")
}

fn client() -> reqwest::Client {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(redirect::Policy::none());
    http.build().expect("a client")
}
