//! Who is calling: the header, the exchange of tokens, and how a token ends.
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::support::{Actor, Answer, TestServer, on_both_stores};

const WHO: &str = "IdentityService/GetAuthenticatedIdentity";

async fn exchange(actor: &Actor, token: &str) -> Answer {
    actor.call("IdentityService/ExchangeToken", &json!({ "exchangeToken": token })).await
}

async fn everybody_learns_who_they_are(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("member").await);
    let agent = admin.enroll().await;
    let organization = admin.call(WHO, &json!({})).await.ok()["organizationId"].clone();
    for (actor, principal) in [(&member, "PRINCIPAL_USER"), (&agent.actor, "PRINCIPAL_RUNNER")] {
        let who = actor.call(WHO, &json!({})).await.ok();
        assert_eq!(who["subject"], json!({ "id": actor.id, "principal": principal }));
        assert_eq!(who["organizationId"], organization);
        assert!(who["organizationTier"].is_string());
    }
    let elsewhere = server.other_organization().await.call(WHO, &json!({})).await.ok();
    assert_ne!(elsewhere["organizationId"], organization);
}

/// A13: one bearer token, or nobody.
async fn a13_no_valid_token_is_nobody(server: &TestServer) {
    let admin = server.admin();
    let good = admin.token.clone().expect("a token");
    let agent = admin.enroll().await;
    let (_, unused) = admin.create_runner().await;
    let mut forged = good.clone();
    let last = forged.pop().expect("a character");
    forged.push(if last == '0' { '1' } else { '0' });
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let basic = vec!["Basic OnRva2Vu".to_owned()];
    let twice = vec![format!("Bearer {good}"), format!("Bearer {good}")];
    for headers in [
        vec![],
        basic,
        twice,
        bearer(""),
        bearer("x"),
        bearer(&forged),
        bearer(&"x".repeat(64)),
        bearer(&"x".repeat(8_000)),
        bearer(&unused),
        vec![good.clone()],
        vec![format!("Token {good}")],
        bearer(&format!("{good} {good}")),
    ] {
        for method in [
            "gitpod.v1.IdentityService/GetAuthenticatedIdentity",
            "gitpod.v1.RunnerConfigurationService/ListSCMIntegrations",
        ] {
            let mut request = server.nobody().post(&format!("/{method}")).body("{}");
            request = request.header("content-type", "application/json");
            for header in &headers {
                request = request.header(AUTHORIZATION, header);
            }
            let answer = Answer::of(request.send().await.expect("an answer")).await;
            answer.refused(401, "unauthenticated", "missing or invalid bearer token");
        }
    }
    let lower = server.nobody().post("/gitpod.v1.IdentityService/GetAuthenticatedIdentity").body("{}");
    let lower =
        lower.header("content-type", "application/json").header(AUTHORIZATION, format!("bearer {good}"));
    Answer::of(lower.send().await.expect("an answer")).await.ok();
    // Neither a token in the URL, nor what an expired or revoked token was.
    let query = server.nobody().call(&format!("{WHO}?access_token={good}"), &json!({})).await;
    query.refused(401, "unauthenticated", "");
    let (expiring, id) = admin.create_token(&json!({})).await;
    expiring.call(WHO, &json!({})).await.ok();
    server.database().execute_for("UPDATE token SET expires_at = 1 WHERE token_id = $1", &id).await;
    expiring.call(WHO, &json!({})).await.refused(401, "unauthenticated", "");
    admin.delete_runner(&agent.runner).await.ok();
    agent.actor.call(WHO, &json!({})).await.refused(401, "unauthenticated", "");
    agent.actor.list("", &json!({})).await.refused(401, "unauthenticated", "");
}

async fn an_exchange_token_is_used_once(server: &TestServer) {
    let admin = server.admin();
    let (runner, token) = admin.create_runner().await;
    let nobody = server.nobody();
    let access = exchange(&nobody, &token).await.ok()["accessToken"].as_str().expect("a token").to_owned();
    assert!(access.starts_with("sealink_run_"), "the kind is in the token");
    let who = server.bearer(&access).call(WHO, &json!({})).await.ok();
    assert_eq!(who["subject"], json!({ "id": runner, "principal": "PRINCIPAL_RUNNER" }));
    for token in ["", token.as_str(), "x", access.as_str(), &"x".repeat(64)] {
        exchange(&nobody, token).await.refused(401, "unauthenticated", "invalid exchange token");
    }
    let wrong_type = nobody
        .raw("IdentityService/ExchangeToken", "application/json", r#"{"exchangeToken":73100731}"#)
        .await;
    assert!(!wrong_type.refused(400, "invalid_argument", "").message().contains("73100731"));

    // A new one for an old runner; the earlier ones stay valid until they expire.
    let more = async || {
        let made = admin.call("RunnerService/CreateRunnerToken", &json!({ "runnerId": runner })).await.ok();
        assert_eq!(made.get("accessToken"), None);
        made["exchangeToken"].as_str().expect("a token").to_owned()
    };
    let (first, second, third) = (more().await, more().await, more().await);
    exchange(&nobody, &second).await.ok();
    exchange(&nobody, &first).await.ok();
    server.database().execute("UPDATE token SET expires_at = 1 WHERE kind = 'EXCHANGE'").await;
    exchange(&nobody, &third).await.refused(401, "unauthenticated", "invalid exchange token");
    server.bearer(&access).call(WHO, &json!({})).await.ok();
    // A deleted runner's are nobody's.
    let (runner, token) = admin.create_runner().await;
    admin.delete_runner(&runner).await.ok();
    exchange(&nobody, &token).await.refused(401, "unauthenticated", "invalid exchange token");
}

async fn of_fifty_exchanges_at_once_one_wins(server: &TestServer) {
    let (_, token) = server.admin().create_runner().await;
    let nobody = server.nobody();
    let all = futures_util::future::join_all((0..50).map(|_| exchange(&nobody, &token))).await;
    let (won, lost): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status.is_success());
    assert_eq!(won.len(), 1);
    for answer in lost {
        answer.refused(401, "unauthenticated", "invalid exchange token");
    }
    assert_eq!(server.database().count("SELECT count(*) FROM token WHERE kind = 'RUNNER'").await, 1);
}

async fn what_comes_later_says_so(server: &TestServer) {
    let admin = server.admin();
    for method in ["IdentityService/GetIDToken"] {
        let answer = admin.raw(method, "application/json", "{}").await;
        answer.refused(501, "unimplemented", "");
        assert_eq!(answer.headers["x-should-retry"], "false");
        server.nobody().call(method, &json!({})).await.refused(401, "unauthenticated", "");
    }
    let unknown = admin.call("RunnerService/NoSuchMethod", &Value::Null).await;
    assert_eq!(unknown.headers["content-type"], "application/json");
    unknown.refused(404, "unimplemented", "");
}

on_both_stores!(
    everybody_learns_who_they_are,
    a13_no_valid_token_is_nobody,
    an_exchange_token_is_used_once,
    of_fifty_exchanges_at_once_one_wins,
    what_comes_later_says_so,
);
