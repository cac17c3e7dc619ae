//! Connecting an account by OAuth: a browser, a server that knows no secret, and an agent that does.
use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::{
    domain::secret::{Kid, Sealed, Secret},
    seal::{
        Field, Place,
        open::{PrivateKey, open},
        seal,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Actor, Agent, LiveAgent, TestServer, on_both_stores};

pub(crate) const HOST: &str = "ghe.example.com";

pub(crate) fn sealed(
    agent: &Agent,
    sub: &Value,
    field: Field,
    (a, b, c): (&str, &str, &str),
    text: &str,
) -> (String, String) {
    let sub = Uuid::try_parse(sub.as_str().expect("an id")).expect("a UUID");
    let place = Place { runner: agent.runner_id(), sub, field, a, b, c };
    let key = PrivateKey::from_pem(&agent.keys[0]).expect("a key");
    let secret = Secret::parse("test", text.to_owned()).expect("a secret");
    let sealed = seal(key.public(), &place, &secret).expect("sealed");
    (STANDARD.encode(sealed.bytes), sealed.kid.0)
}

fn opened(
    agent: &Agent,
    sub: &Value,
    field: Field,
    (a, b, c): (&str, &str, &str),
    bytes: &Value,
    kid: &Value,
) -> String {
    let sub = Uuid::try_parse(sub.as_str().expect("an id")).expect("a UUID");
    let place = Place { runner: agent.runner_id(), sub, field, a, b, c };
    let bytes = STANDARD.decode(bytes.as_str().expect("bytes")).expect("base64");
    let sealed = Sealed { bytes, kid: Kid(kid.as_str().expect("a kid").to_owned()) };
    open(&agent.ring(), &place, &sealed).expect("it opens").expose().to_owned()
}

/// What an agent answers to `BeginOAuth`.
pub(crate) fn begun(agent: &Agent, begin: &Value) -> Value {
    let place = (HOST, "", "client_id");
    let (verifier, kid) = sealed(agent, &begin["ticketId"], Field::OauthVerifier, place, "the verifier");
    let state = begin["state"].as_str().expect("a state");
    let url = format!("https://{HOST}/login/oauth/authorize?client_id=client_id&state={state}");
    json!({ "beginOauth": { "authorizeUrl": url, "sealedVerifier": verifier, "kid": kid } })
}

/// What an agent answers to `CompleteOAuth` whose forge took the code.
pub(crate) fn exchanged(agent: &Agent, complete: &Value) -> Value {
    let place = (HOST, complete["subject"]["id"].as_str().expect("an id"), "OAUTH");
    let token = &complete["tokenId"];
    let (value, kid) = sealed(agent, token, Field::HostTokenValue, place, "gho_the_credential");
    let (refresh, _) = sealed(agent, token, Field::HostTokenRefresh, place, "ghr_the_refresh_token");
    json!({ "completeOauth": {
        "sealedToken": value, "sealedRefreshToken": refresh, "kid": kid, "scopes": ["repo"],
        "expiresAt": "2100-01-01T00:00:00Z", "userName": "octocat",
    } })
}

/// An agent beside a forge that gives everybody who comes with the code `good` the credential `gho_...`.
async fn forge(agent: &Agent) -> LiveAgent {
    let own = agent.clone();
    agent
        .live(move |call| {
            if let Some(begin) = call.get("beginOauth") {
                return Some(begun(&own, begin));
            }
            if let Some(complete) = call.get("completeOauth") {
                let (ticket, kid) = (&complete["ticketId"], &complete["kid"]);
                let place = (HOST, "", "client_id");
                let verifier = &complete["sealedVerifier"];
                assert_eq!(opened(&own, ticket, Field::OauthVerifier, place, verifier, kid), "the verifier");
                if complete["code"] != "good" {
                    let message = "the forge refuses the client <b>secret</b>";
                    let error = json!({ "code": "CALL_ERROR_CODE_FAILED_PRECONDITION", "message": message });
                    return Some(json!({ "error": error }));
                }
                return Some(exchanged(&own, complete));
            }
            let caller = &call["checkAuthenticationForHost"]["caller"];
            let authenticated = caller["credentials"].as_array().is_some_and(|all| !all.is_empty());
            Some(json!({ "checkAuthenticationForHost": { "response": { "authenticated": authenticated } } }))
        })
        .await
}

/// Somebody's browser: follows nothing by itself, and keeps one cookie.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookie: Option<String>,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) location: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { http: http.tls_certs_only([]).build().expect("a client"), cookie: None }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let request = self.cookie.iter().fold(request, |request, cookie| request.header("cookie", cookie));
        let answer = request.send().await.expect("an answer");
        let header =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        assert!(header("content-security-policy").expect("a policy").starts_with("default-src 'none'"));
        if let Some(cookie) = header("set-cookie") {
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        let (status, location) = (answer.status().as_u16(), header("location").unwrap_or_default());
        Page { status, location, text: answer.text().await.expect("text") }
    }

    pub(crate) async fn get(&mut self, url: &str) -> Page {
        let request = self.http.get(url);
        self.send(request).await
    }

    pub(crate) async fn confirm(&mut self, url: &str, page: &Page) -> Page {
        let form = page.text.split("name=\"form\" value=\"").nth(1).expect("a form");
        let form = form.split('"').next().expect("a value");
        let request = self.http.post(url).body(format!("form={form}"));
        self.send(request).await
    }
}

async fn check(actor: &Actor, agent: &Agent) -> Value {
    let body = json!({ "runnerId": agent.runner, "host": HOST });
    actor.call("RunnerService/CheckAuthenticationForHost", &body).await.ok()
}

pub(crate) async fn link(actor: &Actor, agent: &Agent) -> String {
    let answer = check(actor, agent).await;
    assert_eq!(answer["authenticationUrl"], answer["supportsOauth2"]["authUrl"]);
    answer["authenticationUrl"].as_str().expect("a link").to_owned()
}

/// From a link to the forge: the browser that does so, and the address the forge will send it back to.
pub(crate) async fn to_forge(server: &TestServer, actor: &Actor, agent: &Agent) -> (Browser, String) {
    let (mut browser, link) = (Browser::new(), link(actor, agent).await);
    let page = browser.get(&link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let sent = browser.confirm(&link, &page).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    assert!(sent.location.starts_with("https://ghe.example.com/login/oauth/authorize?"), "{}", sent.location);
    let state = sent.location.split("state=").nth(1).expect("a state").to_owned();
    (browser, format!("http://{}/oauth/callback?state={state}", server.address))
}

async fn count(server: &TestServer, sql: &'static str) -> i64 {
    server.database().count(sql).await
}

/// The flows that are open end a minute ago.
const ELEVEN_MINUTES_LATER: &str = "UPDATE oauth_ticket SET expires_at = expires_at - 660000000";

/// How many failures with this reason were written down.
pub(crate) async fn reasons(server: &TestServer, reason: &str) -> i64 {
    let sql = "SELECT count(*) FROM audit_entry WHERE action = 'oauth.fail' AND details LIKE";
    server.database().count_of(format!("{sql} '%\"reason\":\"{reason}\"%'")).await
}

const TOKENS: &str = "SELECT count(*) FROM host_token";

/// The whole way, twice: the second credential takes the place of the first.
async fn an_account_is_connected(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
    let live = forge(&agent).await;
    assert_ne!(check(&admin, &agent).await["authenticated"], true);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (mut browser, back) = to_forge(server, &admin, &agent).await;
        let page = browser.get(&format!("{back}&code=good")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains("Connected as octocat"), "{}", page.text);
        let tokens =
            admin.call("RunnerConfigurationService/ListHostAuthenticationTokens", &json!({})).await.ok();
        let [token] = &tokens["tokens"].as_array().expect("tokens")[..] else {
            panic!("one token: {tokens}")
        };
        assert_eq!(
            (&token["source"], &token["scopes"]),
            (&json!("HOST_AUTHENTICATION_TOKEN_SOURCE_OAUTH"), &json!(["repo"]))
        );
        assert_eq!(
            (&token["integrationId"], &token["expiresAt"]),
            (&json!(id), &json!("2100-01-01T00:00:00Z"))
        );
        ids.push(token["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(check(&admin, &agent).await["authenticated"], true);
    let call = live.asked().pop().expect("a call");
    let caller = &call["checkAuthenticationForHost"]["caller"];
    let credential = &caller["credentials"][0];
    let place = (HOST, caller["subject"]["id"].as_str().expect("an id"), "OAUTH");
    let (sub, field) = (&credential["tokenId"], Field::HostTokenValue);
    let value = opened(&agent, sub, field, place, &credential["sealedToken"], &credential["kid"]);
    assert_eq!(value, "gho_the_credential");
    // Nobody else has it.
    let stranger = admin.create_user("stranger", "ORGANIZATION_ROLE_ADMIN").await;
    assert_ne!(check(&stranger, &agent).await["authenticated"], true);
    assert_eq!(
        count(server, "SELECT count(*) FROM audit_entry WHERE action = 'host_token.connect'").await,
        2
    );
}

/// The page says who connects what, and only the browser that saw it can go on, once.
async fn a_flow_belongs_to_one_browser_and_happens_once(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
    let _live = forge(&agent).await;
    let (mut browser, mut other) = (Browser::new(), Browser::new());
    let link = link(&admin, &agent).await;
    let page = browser.get(&link).await;
    assert!(page.text.contains("<strong>admin</strong>") && page.text.contains(HOST), "{}", page.text);
    let theirs = other.get(&link).await;
    assert_eq!(browser.confirm(&link, &theirs).await.status, 403, "another page's form");
    assert_eq!(Browser::new().confirm(&link, &page).await.status, 403, "no cookie");
    let sent = browser.confirm(&link, &page).await;
    assert_eq!(sent.status, 303);
    assert_eq!(other.confirm(&link, &theirs).await.status, 404, "a link works once");
    assert_eq!(browser.get(&link).await.status, 404);
    assert_eq!((reasons(server, "another browser").await, reasons(server, "used already").await), (2, 2));
    let state = sent.location.split("state=").nth(1).expect("a state");
    let back = format!("http://{}/oauth/callback?code=good&state={state}", server.address);
    assert_eq!(other.get(&back).await.status, 403, "another browser");
    assert_eq!(Browser::new().get(&back).await.status, 403, "no cookie");
    assert_eq!(browser.get(&back.replace(state, &"A".repeat(43))).await.status, 404, "no such state");
    assert_eq!(count(server, TOKENS).await, 0);
    assert_eq!(browser.get(&back).await.status, 200);
    assert_eq!(browser.get(&back).await.status, 404, "a code comes once");
    assert_eq!(count(server, TOKENS).await, 1);
}

/// Every failure is a page with a cure, is written down, and connects nothing.
async fn failures_are_pages_with_a_cure(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
    let live = forge(&agent).await;
    let (mut browser, back) = to_forge(server, &admin, &agent).await;
    let denied = browser.get(&format!("{back}&error=access_denied")).await;
    assert!(denied.status == 403 && denied.text.contains("denied"), "{}", denied.text);
    let (mut browser, back) = to_forge(server, &admin, &agent).await;
    let wrong = browser.get(&format!("{back}&code=bad")).await;
    assert!(wrong.status == 502 && wrong.text.contains("client &lt;b&gt;secret"), "{}", wrong.text);
    let (mut browser, back) = to_forge(server, &admin, &agent).await;
    server.database().execute(ELEVEN_MINUTES_LATER).await;
    assert_eq!(browser.get(&format!("{back}&code=good")).await.status, 404, "too late");
    let late = link(&admin, &agent).await;
    server.database().execute(ELEVEN_MINUTES_LATER).await;
    assert_eq!(Browser::new().get(&late).await.status, 404, "too late");
    // Whoever has a link does not fill the audit log with it.
    for _ in 0..20 {
        assert_eq!(Browser::new().get(&late).await.status, 404, "too late");
    }
    assert_eq!(reasons(server, "expired").await, 1 + 8);
    // Offline: the link stays good for later.
    let early = link(&admin, &agent).await;
    drop(live);
    server.database().execute("UPDATE runner_status SET alive_at = 1").await;
    let mut browser = Browser::new();
    let page = browser.get(&early).await;
    let offline = browser.confirm(&early, &page).await;
    assert!(offline.status == 503 && offline.text.contains("sealink agent run"), "{}", offline.text);
    assert_eq!(browser.get(&early).await.status, 200);
    for reason in ["denied", "refused by the forge or the runner", "runner offline"] {
        assert_eq!(reasons(server, reason).await, 1, "{reason}");
    }
    assert_eq!(count(server, TOKENS).await, 0);
    for odd in ["start/x", "start/..%2f", "callback", "callback?state=x&code=y"] {
        let url = format!("http://{}/oauth/{odd}", server.address);
        assert_eq!(Browser::new().get(&url).await.status, 404, "{odd}");
    }
}

/// An agent cannot send browsers anywhere but to the forge.
async fn only_pages_of_the_forge_are_followed(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
    let own = agent.clone();
    let odd = [
        "javascript:alert(1)",
        "https://evil.example/login",
        "https://ghe.example.com.evil.example/login",
        "https://ghe.example.com@evil.example/login",
        "https://ghe.example.com:8443/login",
        "http://ghe.example.com/login",
        "//ghe.example.com/login",
    ];
    let urls = std::sync::Mutex::new(odd.to_vec());
    let _live = agent
        .live(move |call| {
            let Some(begin) = call.get("beginOauth") else {
                return Some(json!({ "checkAuthenticationForHost": { "response": {} } }));
            };
            let (place, field) = ((HOST, "", "client_id"), Field::OauthVerifier);
            let (verifier, kid) = sealed(&own, &begin["ticketId"], field, place, "the verifier");
            let url = urls.lock().expect("no panic").pop().expect("a URL");
            Some(json!({ "beginOauth": { "authorizeUrl": url, "sealedVerifier": verifier, "kid": kid } }))
        })
        .await;
    for url in odd {
        let (mut browser, link) = (Browser::new(), link(&admin, &agent).await);
        let page = browser.get(&link).await;
        let sent = browser.confirm(&link, &page).await;
        assert_eq!((sent.status, sent.location.as_str()), (502, ""), "{url}");
    }
}

on_both_stores!(
    an_account_is_connected,
    a_flow_belongs_to_one_browser_and_happens_once,
    failures_are_pages_with_a_cure,
    only_pages_of_the_forge_are_followed,
);
