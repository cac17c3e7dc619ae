//! Renewing host tokens: once, by one agent, before they end; and what becomes of those that cannot be.
use std::time::Duration;

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

use crate::support::{Actor, Agent, TestServer, on_both_stores};

const HOST: &str = "ghe.example.com";
const FIRST: &str = "canary-first-refresh-4711";
const SECOND: &str = "canary-second-refresh-4712";
const RENEWED: &str = "canary-renewed-value-4713";
const END: &str = "2100-01-01T00:00:00Z";

/// A runner with an OAuth app, and an OAuth token of the administrator that is due at once.
pub(crate) struct World {
    pub(crate) admin: Actor,
    pub(crate) agent: Agent,
    pub(crate) token: String,
    subject: String,
}

impl World {
    pub(crate) async fn new(server: &TestServer) -> Self {
        let admin = server.admin();
        let agent = admin.register().await;
        let integration = admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
        let me = admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
        let subject = me["subject"]["id"].as_str().expect("an id").to_owned();
        let body = json!({
            "runnerId": agent.runner, "host": HOST, "subject": me["subject"], "integrationId": integration,
            "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_OAUTH", "scopes": ["repo"],
            "token": "canary-first-value-4710", "refreshToken": FIRST, "expiresAt": "2001-01-01T00:00:00Z",
        });
        let made = admin.call("RunnerConfigurationService/CreateHostAuthenticationToken", &body).await.ok();
        let token = made["token"]["id"].as_str().expect("an id").to_owned();
        Self { admin, agent, token, subject }
    }

    fn place(&self, field: Field) -> Place<'_> {
        let sub = Uuid::try_parse(&self.token).expect("a UUID");
        Place { runner: self.agent.runner_id(), sub, field, a: HOST, b: &self.subject, c: "OAUTH" }
    }

    fn seal(&self, key: usize, field: Field, text: &str) -> (String, String) {
        let key = PrivateKey::from_pem(&self.agent.keys[key]).expect("a key");
        let secret = Secret::parse("test", text.to_owned()).expect("a secret");
        let sealed = seal(key.public(), &self.place(field), &secret).expect("sealed");
        (STANDARD.encode(sealed.bytes), sealed.kid.0)
    }

    fn open(&self, field: Field, bytes: &Value, kid: &Value) -> String {
        let bytes = STANDARD.decode(bytes.as_str().expect("bytes")).expect("base64");
        let sealed = Sealed { bytes, kid: Kid(kid.as_str().expect("a kid").to_owned()) };
        open(&self.agent.ring(), &self.place(field), &sealed).expect("it opens").expose().to_owned()
    }

    /// What an agent answers whose forge renewed the token until `end`.
    pub(crate) fn renewed(&self, end: &str) -> Value {
        self.renewed_with(0, end)
    }

    /// The same, sealed with another of its keys.
    pub(crate) fn renewed_with(&self, key: usize, end: &str) -> Value {
        let (value, kid) = self.seal(key, Field::HostTokenValue, RENEWED);
        let (refresh, _) = self.seal(key, Field::HostTokenRefresh, SECOND);
        json!({ "refreshHostToken": {
            "sealedToken": value, "sealedRefreshToken": refresh, "kid": kid, "expiresAt": end,
        } })
    }

    pub(crate) async fn token(&self) -> Value {
        let body = json!({ "id": self.token });
        let got = self.admin.call("RunnerConfigurationService/GetHostAuthenticationToken", &body).await;
        got.ok()["token"].clone()
    }

    /// What the runner is handed of the administrator's credentials with a call.
    pub(crate) async fn handed(&self, stream: &mut crate::support::EventStream) -> Value {
        let body = json!({ "runnerId": self.agent.runner, "contextUrl": format!("https://{HOST}/a/b") });
        let answering = async {
            let call = loop {
                let call = stream.next().await;
                if call.get("parseContextUrl").is_some() {
                    break call;
                }
            };
            self.agent.respond(&call, &json!({ "parseContextUrl": { "response": {} } })).await.ok();
            call["parseContextUrl"]["caller"]["credentials"].clone()
        };
        tokio::join!(self.admin.call("RunnerService/ParseContextURL", &body), answering).1
    }
}

pub(crate) async fn until(what: &str, server: &TestServer, sql: &'static str, expected: i64) {
    for _ in 0..800 {
        if server.database().count(sql).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

pub(crate) const REFRESHED: &str = "SELECT count(*) FROM audit_entry WHERE action = 'host_token.refresh'";
const REFUSED: &str = "SELECT count(*) FROM audit_entry WHERE action = 'host_token.refuse'";
pub(crate) const TRIES: &str = "SELECT coalesce(max(attempts), 0) FROM host_token_refresh";
pub(crate) const PLANNED: &str = "SELECT count(*) FROM host_token_refresh";
/// The lease is over, or the rest after a failure.
pub(crate) const DUE_AGAIN: &str = "UPDATE host_token_refresh SET due_at = 1";

/// An agent gets the refresh token, sealed, once; what it makes of it takes the place of what was.
async fn a_token_is_renewed_before_it_ends(server: &TestServer) {
    let world = World::new(server).await;
    assert_eq!(world.token().await["expiresAt"], "2001-01-01T00:00:00Z");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(server.database().count(TRIES).await, 0, "no agent lives");
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    let asked = &call["refreshHostToken"];
    assert_eq!((&asked["tokenId"], &asked["subject"]["id"]), (&json!(world.token), &json!(world.subject)));
    assert_eq!(asked["integration"]["clientId"], "client_id");
    let opened = world.open(Field::HostTokenRefresh, &asked["sealedRefreshToken"], &asked["kid"]);
    assert_eq!(opened, FIRST);
    world.agent.respond(&call, &world.renewed(END)).await.ok();
    let token = world.token().await;
    assert_eq!((&token["expiresAt"], &token["scopes"]), (&json!(END), &json!(["repo"])));
    let handed = world.handed(&mut stream).await;
    let value = world.open(Field::HostTokenValue, &handed[0]["sealedToken"], &handed[0]["kid"]);
    assert_eq!(value, RENEWED);
    assert_eq!(server.database().count(REFRESHED).await, 1);
    assert_eq!(server.database().count(PLANNED).await, 1, "the next time is planned");
    let late = "SELECT count(*) FROM host_token_refresh WHERE due_at = 4102444800000000 - 300000000";
    assert_eq!(server.database().count(late).await, 1, "five minutes before the end");
    let again = world.agent.respond(&call, &world.renewed("2099-01-01T00:00:00Z")).await;
    assert_eq!((again.code(), world.token().await["expiresAt"].clone()), ("ABORTED".into(), json!(END)));
    until(
        "nothing of the call is kept",
        server,
        "SELECT count(*) FROM live_call WHERE answer IS NOT NULL",
        0,
    )
    .await;
}

/// What the forge refuses is no credential any more, at once and for good; its owner sees it as expired.
async fn a_refused_token_counts_as_none(server: &TestServer) {
    let world = World::new(server).await;
    let move_end = "UPDATE host_token SET expires_at = 4102444800000000";
    server.database().execute(move_end).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    assert!(call.get("refreshHostToken").is_some(), "{call}");
    assert_eq!(world.handed(&mut stream).await.as_array().expect("credentials").len(), 1, "still good");
    let error = json!({ "error": { "code": "CALL_ERROR_CODE_UNAUTHENTICATED", "message": "refused" } });
    world.agent.respond(&call, &error).await.ok();
    let token = world.token().await;
    assert!(token["expiresAt"].as_str().expect("an end") < END, "{token}");
    assert_eq!(world.handed(&mut stream).await, Value::Null, "no credential");
    assert_eq!((server.database().count(REFUSED).await, server.database().count(PLANNED).await), (1, 0));
    let left = "SELECT count(*) FROM sealed_secret WHERE field = 'host_token.refresh'";
    assert_eq!(server.database().count(left).await, 0);
}

/// A failure changes nothing; the next try is later each time, and the owner's new credential ends them.
async fn a_failure_is_tried_again_ever_later(server: &TestServer) {
    let world = World::new(server).await;
    let live = world
        .agent
        .live(|_| Some(json!({ "error": { "code": "CALL_ERROR_CODE_UNAVAILABLE", "message": "away" } })))
        .await;
    for tries in 1..=3_i64 {
        until("another try", server, TRIES, tries).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(server.database().count(TRIES).await, tries, "nobody tries during the rest");
        server.database().execute(DUE_AGAIN).await;
    }
    until("a fourth", server, TRIES, 4).await;
    let rests =
        "SELECT (due_at / 1000000) - (SELECT max(at) / 1000000 FROM audit_entry) FROM host_token_refresh";
    assert!(server.database().count(rests).await > 300, "eight minutes by now");
    while live.asked().len() < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(live.asked().len(), 4, "each try asks once");
    assert_eq!(world.token().await["expiresAt"], "2001-01-01T00:00:00Z");
    let body = json!({ "id": world.token, "token": "canary-own-value-4714", "expiresAt": END });
    world.admin.call("RunnerConfigurationService/UpdateHostAuthenticationToken", &body).await.ok();
    assert_eq!(server.database().count(TRIES).await, 0);
}

/// An agent that takes the call and dies is not followed by another while the forge may still be asked; and an
/// answer that comes when nobody counts on it any more is kept, for the forge has forgotten the old token.
async fn an_answer_that_comes_late_is_kept(server: &TestServer) {
    let world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    drop(stream);
    let twin = world.agent.twin().live(|_| None).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(twin.asked().len(), 0, "offered once");
    server.database().execute("UPDATE live_call SET deadline = 1").await;
    until("the call is forgotten", server, "SELECT count(*) FROM live_call", 0).await;
    world.agent.respond(&call, &world.renewed(END)).await.ok();
    assert_eq!(world.token().await["expiresAt"], END);
    let again = world.agent.respond(&call, &world.renewed(END)).await;
    again.refused(404, "not_found", "call");
}

/// The agent said that it failed, and then has the credential after all: it is stored, and so the agent is told.
async fn what_is_stored_is_not_refused(server: &TestServer) {
    let world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    let failed = json!({ "error": { "code": "CALL_ERROR_CODE_INTERNAL", "message": "failed" } });
    world.agent.respond(&call, &failed).await.ok();
    world.agent.respond(&call, &world.renewed(END)).await.ok();
    assert_eq!(world.token().await["expiresAt"], END);
    assert_eq!(world.agent.respond(&call, &world.renewed(END)).await.code(), "ABORTED", "it came already");
}

/// What an agent seals for another place is not stored, nor what comes for a token that has changed, nor what
/// another runner says.
async fn only_a_fitting_answer_counts(server: &TestServer) {
    let world = World::new(server).await;
    let stranger = world.admin.register().await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    let fine = world.renewed(END);
    stranger.respond(&call, &fine).await.refused(404, "not_found", "call");
    let mut odd = fine.clone();
    odd["refreshHostToken"]["kid"] = json!("another");
    odd["refreshHostToken"]["sealedToken"] = json!(STANDARD.encode([7; 30]));
    assert_ne!(world.agent.respond(&call, &odd).await.code(), "OK");
    assert_eq!(server.database().count(REFRESHED).await, 0);
    let body = json!({ "id": world.token, "refreshToken": "canary-own-refresh-4715" });
    world.admin.call("RunnerConfigurationService/UpdateHostAuthenticationToken", &body).await.ok();
    world.agent.respond(&call, &fine).await.ok();
    assert_eq!(server.database().count(REFRESHED).await, 0, "the token is another");
    assert_eq!(world.token().await["expiresAt"], "2001-01-01T00:00:00Z");
}

on_both_stores!(
    a_token_is_renewed_before_it_ends,
    a_refused_token_counts_as_none,
    a_failure_is_tried_again_ever_later,
    an_answer_that_comes_late_is_kept,
    what_is_stored_is_not_refused,
    only_a_fitting_answer_counts,
);

/// Three servers look for due tokens, with agents at each: every token is asked for once, and whoever looks asks the agent
/// that was asked before, wherever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn no_two_servers_renew_one_token() {
    let server = TestServer::start_on_postgres().await;
    let (second, third) = (server.replica().await, server.replica().await);
    let world = World::new(&server).await;
    let silent = |_: &Value| None;
    let here = world.agent.live(silent).await;
    let there = world.agent.twin().through(&second.admin).live(silent).await;
    let yonder = world.agent.twin().through(&third.admin).live(silent).await;
    for round in 1..=5 {
        until("a try", &server, TRIES, round).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(server.database().count(TRIES).await, round, "one server has it");
        let mut asked = [&here, &there, &yonder].map(|agent| agent.asked().len());
        asked.sort_unstable();
        assert_eq!(asked, [0, 0, usize::try_from(round).expect("small")], "one agent is asked, once");
        server.database().execute(DUE_AGAIN).await;
    }
    drop((here, there, yonder));
    second.stop().await;
    third.stop().await;
    server.stop().await;
}
