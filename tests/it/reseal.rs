//! Re-sealing: what waits for the new key, who may move it, and what is refused.
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    seal_fixtures::private_key,
    support::{Actor, Agent, TestServer, on_both_stores},
};

/// A runner with one secret of every kind, all under its first key, and a second key that is ACTIVE.
async fn rotated(server: &TestServer) -> (Actor, Agent, [String; 2]) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let first = agent.register_x25519().await;
    admin.integrate(&agent.runner, &json!({})).await;
    admin.store_token(&agent.runner, &json!({ "refreshToken": "refresh_value" })).await;
    let spec = json!({ "configuration": { "honeycombApiKey": "canary-honeycomb-key-4711" } });
    admin.update_runner(&agent.runner, &spec).await.ok();
    let second = agent.register_x25519().await;
    (admin, agent, [first, second])
}

async fn state(agent: &Agent, kid: &str) -> Value {
    let keys = agent.actor.keys(&agent.runner).await;
    keys.iter().find(|key| key["kid"] == kid).expect("the key")["state"].clone()
}

fn states(secrets: &[[String; 4]], state: &str) -> usize {
    secrets.iter().filter(|[_, _, found, _]| found == state).count()
}

async fn every_secret_moves_to_the_new_key(server: &TestServer) {
    let (admin, agent, [first, second]) = rotated(server).await;
    assert_eq!(states(&admin.secrets(&agent.runner).await, "STALE_KEY"), 4);
    let stale = agent.stale().await;
    let fields: Vec<_> = stale.iter().map(|one| one["field"].as_str().expect("a field")).collect();
    for field in ["oauth.client_secret", "runner.honeycomb_api_key", "host_token.value", "host_token.refresh"]
    {
        assert!(fields.contains(&field), "{fields:?}");
    }
    let mut plaintexts: Vec<_> = stale.iter().map(|one| agent.opened_stale(one)).collect();
    plaintexts.sort_unstable();
    assert_eq!(
        plaintexts,
        ["canary-client-secret-4711", "canary-honeycomb-key-4711", "refresh_value", "token_value"]
    );
    let revision = agent.configuration().await["revision"].clone();
    for (number, listed) in stale.iter().enumerate() {
        assert_eq!(state(&agent, &first).await, "KEY_STATE_RETIRING", "{number} are moved");
        let request = agent.resealed(listed).await;
        let next = listed["version"].as_str().expect("a number").parse::<u64>().expect("a number") + 1;
        assert_eq!(agent.reseal(&request).await.ok()["version"], next.to_string());
        // The same again, as a second agent of the runner would: it comes too late, and changes nothing.
        let before = admin.secrets(&agent.runner).await;
        agent.reseal(&request).await.refused(409, "aborted", "");
        assert_eq!(admin.secrets(&agent.runner).await, before);
    }
    assert_eq!(state(&agent, &first).await, "KEY_STATE_RETIRED");
    let secrets = admin.secrets(&agent.runner).await;
    assert!(secrets.iter().all(|[_, _, state, kid]| state == "OK" && *kid == second), "{secrets:?}");
    assert_eq!(agent.stale().await, [] as [Value; 0]);
    // The runner hears of every move, and opens what it finds.
    let configuration = agent.configuration().await;
    let number = |value: &Value| value.as_str().expect("a number").parse::<u64>().expect("a number");
    assert_eq!(number(&configuration["revision"]), number(&revision) + 4);
    let id = configuration["integrations"][0]["id"].as_str().expect("an id");
    assert_eq!(agent.opened(id).await, "canary-client-secret-4711");
    assert_eq!(agent.opened_honeycomb().await, "canary-honeycomb-key-4711");
}

/// What is bound is taken from what is stored: a ciphertext for another place, key or field is refused.
async fn only_the_active_keys_ciphertext_for_this_place_is_taken(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    agent.register(&private_key("rsa-2048")).await;
    admin.integrate(&agent.runner, &json!({})).await;
    admin.integrate(&agent.runner, &json!({ "host": "ghe.example.com" })).await;
    let (next, _) = agent.register(&private_key("other-2048")).await;
    let stale = agent.stale().await;
    let good = agent.resealed(&stale[0]).await;
    let with = |member: &str, value: Value| {
        let mut request = good.clone();
        request[member] = value;
        request
    };
    let moved = agent.resealed(&stale[1]).await["newSealed"].clone();
    let sealed = STANDARD.decode(good["newSealed"].as_str().expect("base64")).expect("base64");
    let cut = STANDARD.encode(&sealed[..sealed.len() - 1]);
    let before = admin.secrets(&agent.runner).await;
    for bad in [moved, json!(cut), json!(""), json!(STANDARD.encode([1; 100])), stale[0]["sealed"].clone()] {
        agent.reseal(&with("newSealed", bad)).await.blames("new_sealed");
    }
    agent.reseal(&with("field", json!("no.such_field"))).await.blames("field");
    for (member, value) in [
        ("sub", json!("0198a7c0-0000-7000-8000-0000000000ff")),
        ("field", json!("host_token.value")),
        ("name", json!("x")),
    ] {
        agent.reseal(&with(member, value)).await.refused(404, "not_found", "secret not found");
    }
    for (member, value) in [
        ("newKid", stale[0]["oldKid"].clone()),
        ("expectedOldKid", json!(next)),
        ("expectedOldKid", json!("never")),
    ] {
        agent.reseal(&with(member, value)).await.refused(400, "failed_precondition", "");
    }
    agent.reseal(&with("expectedVersion", json!("7"))).await.refused(409, "aborted", "");
    assert_eq!(admin.secrets(&agent.runner).await, before, "a refused request changed something");
    agent.reseal(&good).await.ok();
    // What is under the ACTIVE key already stays what it is, whoever holds the token.
    let again = agent.resealed_with(&stale[0], private_key("other-2048").public());
    agent.reseal(&again).await.refused(409, "aborted", "");
}

/// A12: a runner sees and moves its own secrets, its administrators see them.
async fn a12_secrets_of_others(server: &TestServer) {
    let (admin, agent, _) = rotated(server).await;
    let other = admin.register().await;
    let request = agent.resealed(&agent.stale().await[0]).await;
    other.reseal(&request).await.refused(404, "not_found", "secret not found");
    let foreign = json!({ "runnerId": agent.runner });
    let listed = other.actor.call("RunnerKeyService/ListSecretsToReseal", &foreign).await;
    listed.refused(404, "not_found", "runner not found");
    admin.call("RunnerKeyService/ListSecretsToReseal", &foreign).await.refused(403, "permission_denied", "");
    agent.actor.call("RunnerKeyService/ListSecrets", &foreign).await.refused(403, "permission_denied", "");
    admin.call("RunnerKeyService/ResealSecret", &request).await.refused(403, "permission_denied", "");
}

/// Revocation wipes what is under that key, whatever it belongs to, and nothing else.
async fn a_revoked_key_takes_its_secrets_along(server: &TestServer) {
    let (admin, agent, [first, second]) = rotated(server).await;
    let scm =
        agent.stale().await.iter().position(|one| one["field"] == "oauth.client_secret").expect("there");
    let stale = agent.stale().await;
    let late = agent.resealed(&stale[scm]).await;
    // The refresh token is moved, its value is not: a credential without its value is none.
    let refresh = stale.iter().find(|one| one["field"] == "host_token.refresh").expect("there");
    agent.reseal(&agent.resealed(refresh).await).await.ok();
    let kept = admin.integrate(&agent.runner, &json!({ "host": "ghe.example.com" })).await;
    assert_eq!(admin.revoke(&first).await.ok()["wipedSecrets"], 3);
    let secrets = admin.secrets(&agent.runner).await;
    let sub = stale[scm]["sub"].as_str().expect("an id").to_owned();
    let field = "oauth.client_secret".to_owned();
    let expected = [
        [sub.clone(), field.clone(), "MISSING".to_owned(), String::new()],
        [kept, field, "OK".to_owned(), second],
    ];
    assert_eq!(secrets, expected);
    assert_eq!(admin.listed_tokens(&json!({})).await, [] as [String; 0]);
    agent.reseal(&late).await.refused(404, "not_found", "secret not found");
    // Entered again, it is there again; without OAuth, there is nothing to be missing.
    admin.update_integration(&sub, &json!({ "oauthPlaintextClientSecret": "again" })).await.ok();
    assert_eq!(states(&admin.secrets(&agent.runner).await, "OK"), 2);
    assert_eq!(agent.opened(&sub).await, "again");
    assert_eq!(state(&agent, &first).await, "KEY_STATE_REVOKED");
    let active = agent.actor.keys(&agent.runner).await[0]["kid"].as_str().expect("a kid").to_owned();
    admin.revoke(&active).await.ok();
    assert_eq!(states(&admin.secrets(&agent.runner).await, "MISSING"), 2);
    admin.update_integration(&sub, &json!({ "oauthClientId": "" })).await.ok();
    assert_eq!(states(&admin.secrets(&agent.runner).await, "MISSING"), 1);
    admin.delete_runner(&agent.runner).await.ok();
    assert_eq!(server.database().count("SELECT count(*) FROM sealed_secret").await, 0);
}

/// Lists merge three tables; a page of any size shows each secret once.
async fn secrets_come_in_pages(server: &TestServer) {
    let (admin, mut agent, _) = rotated(server).await;
    for number in 0..4 {
        admin.integrate(&agent.runner, &json!({ "host": format!("h{number}.example.com") })).await;
        admin.store_token(&agent.runner, &json!({ "host": format!("h{number}.example.com") })).await;
    }
    agent.register_x25519().await;
    for (actor, method) in [(&admin, "ListSecrets"), (&agent.actor, "ListSecretsToReseal")] {
        let whole = json!({ "runnerId": agent.runner, "pagination": { "pageSize": 100 } });
        let whole = actor.call(&format!("RunnerKeyService/{method}"), &whole).await.ok()["secrets"].clone();
        assert_eq!(whole.as_array().map(Vec::len), Some(12));
        for size in [1, 3, 11, 12] {
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let path = format!("RunnerKeyService/{method}?pageSize={size}&token={token}");
                let page = actor.call(&path, &json!({ "runnerId": agent.runner })).await.ok();
                let rows = page["secrets"].as_array().expect("an array");
                assert!((1..=size).contains(&rows.len()), "{size}: {}", rows.len());
                found.extend(rows.clone());
                match page["pagination"]["nextToken"].as_str() {
                    Some(next) => next.clone_into(&mut token),
                    None => break,
                }
            }
            assert_eq!(json!(found), whole, "{size}");
        }
    }
}

on_both_stores!(
    every_secret_moves_to_the_new_key,
    only_the_active_keys_ciphertext_for_this_place_is_taken,
    a12_secrets_of_others,
    a_revoked_key_takes_its_secrets_along,
    secrets_come_in_pages,
);
