//! `/v1/tokens/exchange`, `/v1/users/self`, `/v1/regions`.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};

use crate::{
    process::Process,
    support::{Actor, TestServer, on_both_stores},
};

const SELF: &str = "/v1/users/self";

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

async fn status(actor: &Actor) -> u16 {
    actor.rest(Method::GET, SELF, None).await.status.as_u16()
}

async fn an_api_token_becomes_a_web_token(server: &TestServer) {
    let nora = server.member("nora").await;
    for path in ["/v1/tokens/exchange", "/tokens/exchange"] {
        let answer = nora.try_exchange(path, "").await.ok();
        let token = answer["token"].as_str().expect("a token");
        let (header, claims) = (part(token, 0), part(token, 1));
        assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("JWT")));
        let (from, to) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
        assert_eq!(to - from, 3600);
        assert_eq!((&claims["iss"], &claims["uuid"]), (&json!("sealink"), &json!(format!("us-{}", nora.id))));
        assert!(claims["jti"].is_string() && claims["rnd"].as_str().is_some_and(|rnd| rnd.len() == 16));
        let expected = json!({ "user": {
            "id": format!("us-{}", nora.id), "username": "nora", "fullname": "",
            "email": "nora@example.com", "flags": {},
        } });
        // Both are bearers.
        for actor in [&nora, &nora.with_token(token)] {
            assert_eq!(actor.rest(Method::GET, SELF, None).await.ok(), expected);
        }
    }
}

async fn it_ends_with_the_api_token(server: &TestServer) {
    let admin = server.admin();
    let (revoked, id) = admin.create_token(&json!({})).await;
    let (short, short_id) = admin.create_token(&json!({ "validFor": "1200s" })).await;
    let user = admin.create_user("nora", "ORGANIZATION_ROLE_MEMBER").await;
    let [of_revoked, of_short, of_user] =
        [revoked.exchanged().await, short.exchanged().await, user.exchanged().await];
    let token = of_short.token.as_deref().expect("a token");
    let life = part(token, 1)["exp"].as_i64().expect("exp") - part(token, 1)["iat"].as_i64().expect("iat");
    assert!((1190..=1200).contains(&life), "{life}");
    for actor in [&of_revoked, &of_short, &of_user] {
        assert_eq!(status(actor).await, 200);
    }
    admin.call("TokenService/RevokeToken", &json!({ "tokenId": id })).await.ok();
    let expire = "UPDATE token SET expires_at = created_at + 1 WHERE token_id = $1";
    assert_eq!(server.database().execute_for(expire, &short_id).await, 1);
    admin.call("UserService/DisableUser", &json!({ "userId": user.id })).await.ok();
    for actor in [&of_revoked, &of_short, &of_user, &revoked, &short, &user] {
        assert_eq!(status(actor).await, 401);
        actor.try_exchange("/v1/tokens/exchange", "").await.said(401, "Invalid credentials");
    }
}

async fn only_tokens_of_members_are_exchanged(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let (_, exchange) = admin.create_runner().await;
    let machine = admin.create_service_account("ci", "ORGANIZATION_ROLE_MEMBER").await;
    assert_eq!(
        machine.exchanged().await.rest(Method::GET, SELF, None).await.ok()["user"]["email"],
        "ci@service.invalid"
    );
    for actor in [
        agent.actor.clone(),
        admin.with_token(&exchange),
        admin.with_token("sealink_pat_nonsense-4711"),
        admin.exchanged().await,
        server.nobody(),
    ] {
        actor.try_exchange("/v1/tokens/exchange", "").await.said(401, "Invalid credentials");
    }
    admin.try_exchange("/v1/tokens/exchange", "nora").await.said(401, "Invalid credentials");
    admin.rest(Method::POST, "/v1/tokens/exchange", None).await.said(401, "Invalid credentials");
    // A runner has no account here.
    agent.actor.rest(Method::GET, SELF, None).await.said(403, "a runner's token may not do this");
}

/// Clients that exchange send `{}`, an empty form, or nothing.
async fn the_body_of_an_exchange_does_not_matter(server: &TestServer) {
    let admin = server.admin();
    let token = format!(":{}", admin.token.as_deref().expect("a token"));
    let basic = base64::engine::general_purpose::STANDARD.encode(token);
    for (kind, body) in [
        ("application/json", "{}"),
        ("application/x-www-form-urlencoded", ""),
        ("application/json", "{nonsense"),
    ] {
        let request =
            admin.request(Method::POST, "/v1/tokens/exchange").header("content-type", kind).body(body);
        let sent = request.header("authorization", format!("Basic {basic}")).send().await.expect("an answer");
        assert_eq!(sent.status(), 200, "{kind}");
    }
}

async fn a_read_only_token_reads(server: &TestServer) {
    let reader = server.read_only().await;
    for actor in [&reader, &reader.exchanged().await] {
        assert_eq!(status(actor).await, 200);
        let answer = super::keys::store(actor, "one", super::keys::ED25519[0]).await;
        answer.said(403, "this token is read-only");
        assert_eq!(answer.value()["code"], "forbidden");
    }
}

async fn regions_are_told_to_anybody(server: &TestServer) {
    let url = format!("http://{}", server.address);
    let expected = json!({ "regions": [{
        "name": "local", "display_name": "Local", "api": url, "database_api": url, "dashboard": url,
        "ssh": "127.0.0.1:22", "default": true,
    }] });
    assert_eq!(server.nobody().rest(Method::GET, "/v1/regions", None).await.ok(), expected);
}

on_both_stores!(
    an_api_token_becomes_a_web_token,
    it_ends_with_the_api_token,
    only_tokens_of_members_are_exchanged,
    the_body_of_an_exchange_does_not_matter,
    a_read_only_token_reads,
    regions_are_told_to_anybody,
);

/// What looks like a web token may be one that an operator presets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preset_token_is_exchanged_too() {
    let token = "eyPreset.canary-admin-4711.2f0c5a1be94d";
    let process = Process::start(token);
    let admin = process.bearer(token);
    assert_eq!(status(&admin).await, 200);
    assert_eq!(status(&admin.exchanged().await).await, 200);
}
