//! Runner keys: registered by proof, approved, replaced, revoked.
use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::seal::open::PrivateKey;
use serde_json::{Value, json};

use crate::{
    seal_fixtures::private_key,
    support::{Agent, Begun, TestServer, on_both_stores},
};

fn x25519() -> PrivateKey {
    PrivateKey::generate_x25519().expect("a key")
}

/// Offers and proves a key, but not that the agent holds the ACTIVE one.
async fn register_unproved(agent: &mut Agent, key: &PrivateKey) -> Value {
    agent.keep(key);
    let begun = agent.begin(key.public()).await;
    agent.complete(&Begun { answer_old: None, ..begun }).await.ok()
}

async fn states(agent: &Agent) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").trim_start_matches("KEY_STATE_").to_owned();
    let keys = agent.actor.keys(&agent.runner).await;
    keys.iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect()
}

async fn the_first_key_becomes_active_by_itself(server: &TestServer) {
    let admin = server.admin();
    for key in [private_key("rsa-2048"), private_key("rsa-3072"), x25519()] {
        let mut agent = admin.enroll().await;
        assert_eq!(admin.runner(&agent.runner).await["status"]["phase"], "RUNNER_PHASE_CREATED");
        let (kid, state) = agent.register(&key).await;
        assert_eq!((kid.as_str(), state.as_str()), (key.public().kid().0.as_str(), "KEY_STATE_ACTIVE"));
        let runner = admin.runner(&agent.runner).await;
        assert_eq!(runner["status"]["phase"], "RUNNER_PHASE_INACTIVE");
        assert_eq!(runner["status"]["publicKey"], STANDARD.encode(key.public().wire_bytes()));
        let shown = agent.actor.keys(&agent.runner).await[0].clone();
        assert_eq!(shown["fingerprint"], key.public().fingerprint());
        assert!(shown["createdAt"].is_string() && shown["activatedAt"].is_string(), "{shown}");
        assert_eq!(shown.get("revokedAt"), None);
        let id = admin.integrate(&agent.runner, &json!({})).await;
        assert_eq!(agent.opened(&id).await, "canary-client-secret-4711");
        // The same key again is the same key, without another row.
        assert_eq!(agent.register(&key).await, (kid, state));
        assert_eq!(states(&agent).await.len(), 1);
    }
}

async fn a_later_key_without_proof_of_the_old_waits_for_approval(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let first = agent.register_x25519().await;
    let id = admin.integrate(&agent.runner, &json!({})).await;
    let done = register_unproved(&mut agent, &x25519()).await;
    assert_eq!(done["state"], "KEY_STATE_PENDING");
    let second = done["kid"].as_str().expect("a kid").to_owned();
    let third = x25519_kept(&mut agent);
    let wrong = agent.begin(third.public()).await;
    let wrong = Begun { answer_old: Some(STANDARD.encode([0; 32])), ..wrong };
    assert_eq!(agent.complete(&wrong).await.ok()["state"], "KEY_STATE_PENDING", "a wrong answer is no proof");
    assert_eq!(agent.configured(&id).await["kid"], json!(first));

    // The runner itself cannot approve, and only what waits can be approved.
    agent.actor.approve(&second).await.refused(403, "permission_denied", "");
    assert_eq!(admin.approve(&second).await.ok()["key"]["state"], "KEY_STATE_ACTIVE");
    admin.approve(&second).await.refused(400, "failed_precondition", "PENDING");
    assert!(states(&agent).await.contains(&(first.clone(), "RETIRING".to_owned())));
    assert_eq!(agent.configured(&id).await["secretState"], "SECRET_STATE_STALE_KEY");
    assert_eq!(agent.opened(&id).await, "canary-client-secret-4711", "the old key still opens it");
    // When nothing names the old key any more it is RETIRED, by itself.
    admin.update_integration(&id, &json!({ "oauthPlaintextClientSecret": "again" })).await.ok();
    assert!(states(&agent).await.contains(&(first, "RETIRED".to_owned())));
    assert_eq!(agent.configured(&id).await["secretState"], "SECRET_STATE_OK");
    assert_eq!(agent.opened(&id).await, "again");
}

fn x25519_kept(agent: &mut Agent) -> PrivateKey {
    let key = x25519();
    agent.keep(&key);
    key
}

async fn proof_of_both_keys_replaces_the_old(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let (first, _) = agent.register(&private_key("rsa-2048")).await;
    let (second, state) = agent.register(&private_key("other-2048")).await;
    assert_eq!(state, "KEY_STATE_ACTIVE");
    let expected = [(second.clone(), "ACTIVE".to_owned()), (first.clone(), "RETIRED".to_owned())];
    assert_eq!(states(&agent).await, expected, "newest first; nothing was sealed to the first");
    let id = admin.integrate(&agent.runner, &json!({})).await;
    let (third, _) = agent.register(&x25519()).await;
    let expected =
        [(third, "ACTIVE".to_owned()), (second, "RETIRING".to_owned()), (first, "RETIRED".to_owned())];
    assert_eq!(states(&agent).await, expected);
    admin.delete_integration(&id).await.ok();
    assert_eq!(states(&agent).await[1].1, "RETIRED");
    agent.offer(private_key("rsa-2048").public()).await.blames("public_key");
}

async fn revocation_wipes_what_was_sealed(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let key = x25519();
    let (kid, _) = agent.register(&key).await;
    let id = admin.integrate(&agent.runner, &json!({ "pat": true })).await;
    let spec = json!({ "configuration": { "honeycombApiKey": "hc" } });
    admin.update_runner(&agent.runner, &spec).await.ok();
    let no_reason = admin.call("RunnerKeyService/RevokeKey", &json!({ "kid": kid })).await;
    no_reason.blames("reason");
    agent.actor.revoke(&kid).await.refused(403, "permission_denied", "");

    let revoked = admin.revoke(&kid).await.ok();
    assert_eq!(
        (&revoked["wipedSecrets"], &revoked["key"]["state"]),
        (&json!(2), &json!("KEY_STATE_REVOKED"))
    );
    assert_eq!(revoked["key"]["revocationReason"], "lost");
    // OAuth is still on, with nothing in it.
    let shown = admin.integration(&id).await;
    assert_eq!((&shown["oauth"], &shown["pat"]), (&json!({ "clientId": "client_id" }), &json!(true)));
    assert_eq!(agent.configured(&id).await["secretState"], "SECRET_STATE_MISSING");
    let runner = admin.runner(&agent.runner).await;
    assert_eq!(runner["status"].get("publicKey"), None);
    assert_eq!(runner["spec"]["configuration"].get("encryptedHoneycombApiKey"), None);
    assert_eq!(runner["status"]["phase"], "RUNNER_PHASE_INACTIVE");
    // Again changes nothing, and the key is refused for ever.
    assert_eq!(admin.revoke(&kid).await.ok().get("wipedSecrets"), None);
    agent.offer(key.public()).await.blames("public_key").refused(400, "invalid_argument", "revoked");
    // Not even the first key after a revocation becomes ACTIVE by itself.
    let (next, state) = agent.register(&x25519()).await;
    assert_eq!(state, "KEY_STATE_PENDING");
    admin.approve(&next).await.ok();
    admin
        .update_integration(&id, &json!({ "oauthPlaintextClientSecret": "canary-entered-again-4711" }))
        .await
        .ok();
    assert_eq!(agent.opened(&id).await, "canary-entered-again-4711");
}

async fn a_revoked_key_stays_refused_when_its_runner_is_gone(server: &TestServer) {
    let admin = server.admin();
    let (mut first, second) = (admin.enroll().await, admin.enroll().await);
    let key = x25519();
    let (kid, _) = first.register(&key).await;
    second.offer(key.public()).await.refused(400, "invalid_argument", "another runner");
    admin.revoke(&kid).await.ok();
    admin.delete_runner(&first.runner).await.ok();
    second.offer(key.public()).await.refused(400, "invalid_argument", "revoked");
    // What another organization did with a key is no business of ours, nor visible to us.
    let mut elsewhere = server.other_organization().await.enroll().await;
    assert_eq!(elsewhere.register(&key).await.1, "KEY_STATE_ACTIVE");
}

async fn five_wrong_answers_end_a_registration(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let key = x25519_kept(&mut agent);
    let right = agent.begin(key.public()).await;
    for left in (0..5).rev() {
        let wrong = Begun { id: right.id.clone(), answer_new: STANDARD.encode([left; 32]), answer_old: None };
        let refused = agent.complete(&wrong).await;
        refused.refused(400, "failed_precondition", &format!("{left} tries left"));
    }
    agent.complete(&right).await.refused(400, "failed_precondition", "too many wrong answers");
    let again = agent.begin(key.public()).await;
    let empty = Begun { id: again.id.clone(), answer_new: String::new(), answer_old: None };
    agent.complete(&empty).await.refused(400, "failed_precondition", "4 tries left");
    assert_eq!(agent.complete(&again).await.ok()["state"], "KEY_STATE_ACTIVE");
    // A registration is completed once.
    agent.complete(&again).await.refused(404, "not_found", "key registration not found");
}

/// However many guesses arrive together, five are looked at.
async fn sixty_wrong_answers_at_once_are_five_tries(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let key = x25519_kept(&mut agent);
    let right = agent.begin(key.public()).await;
    let guess =
        |byte: u8| Begun { id: right.id.clone(), answer_new: STANDARD.encode([byte; 32]), answer_old: None };
    let guesses: Vec<_> = (0..60).map(guess).collect();
    let refused = futures_util::future::join_all(guesses.iter().map(|guess| agent.complete(guess))).await;
    let judged = refused.iter().filter(|answer| answer.message().contains("tries left")).count();
    assert_eq!(judged, 5);
    for answer in refused.iter().filter(|answer| !answer.message().contains("tries left")) {
        answer.refused(400, "failed_precondition", "too many wrong answers");
    }
    agent.complete(&right).await.refused(400, "failed_precondition", "too many wrong answers");
    assert!(states(&agent).await.is_empty());
}

async fn a_registration_expires_and_is_its_runners_own(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let key = x25519_kept(&mut agent);
    let begun = agent.begin(key.public()).await;
    let other = admin.register().await;
    let stolen = Begun { id: begun.id.clone(), answer_new: begun.answer_new.clone(), answer_old: None };
    other.complete(&stolen).await.refused(404, "not_found", "key registration not found");
    server.database().execute("UPDATE key_registration SET expires_at = 1").await;
    agent.complete(&begun).await.refused(400, "failed_precondition", "expired");
    let begun = agent.begin(key.public()).await;
    assert_eq!(agent.complete(&begun).await.ok()["state"], "KEY_STATE_ACTIVE");
}

/// Of two agents that register first keys at once, one is first.
async fn two_first_keys_at_once(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let keys: Vec<_> = (0..8).map(|_| x25519_kept(&mut agent)).collect();
    let mut begun = Vec::new();
    for key in &keys {
        begun.push(agent.begin(key.public()).await);
    }
    let done = futures_util::future::join_all(begun.iter().map(|begun| agent.complete(begun))).await;
    let active = done.iter().filter(|answer| answer.ok()["state"] == "KEY_STATE_ACTIVE").count();
    assert_eq!(active, 1);
    assert_eq!(states(&agent).await.iter().filter(|(_, state)| state == "ACTIVE").count(), 1);
}

async fn keys_that_break_the_policy_are_refused_by_their_field(server: &TestServer) {
    let agent = server.admin().enroll().await;
    for (bytes, words) in [
        (b"".to_vec(), ""),
        (vec![0; 32], ""),
        (vec![0xff; 32], ""),
        (vec![1; 31], ""),
        (vec![0x30; 2_000], ""),
        (b"-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n".to_vec(), "private"),
    ] {
        let body = json!({ "runnerId": agent.runner, "publicKey": STANDARD.encode(bytes) });
        let refused = agent.actor.call("RunnerKeyService/BeginKeyRegistration", &body).await;
        refused.blames("public_key").refused(400, "invalid_argument", words);
        assert!(!refused.message().contains("canary"));
    }
}

on_both_stores!(
    the_first_key_becomes_active_by_itself,
    a_later_key_without_proof_of_the_old_waits_for_approval,
    proof_of_both_keys_replaces_the_old,
    revocation_wipes_what_was_sealed,
    a_revoked_key_stays_refused_when_its_runner_is_gone,
    five_wrong_answers_end_a_registration,
    sixty_wrong_answers_at_once_are_five_tries,
    a_registration_expires_and_is_its_runners_own,
    two_first_keys_at_once,
    keys_that_break_the_policy_are_refused_by_their_field,
);
