//! People and their tokens.
use sealink::pb::sealink::v1::{CreateUserRequest, CreateUserResponse};
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, on_both_stores};

const WHO: &str = "IdentityService/GetAuthenticatedIdentity";

async fn users_are_made_listed_and_disabled(server: &TestServer) {
    let admin = server.admin();
    let body = json!({
        "name": "ada", "email": "ada@example.com", "fullname": "Ada Lovelace", "role": "ORGANIZATION_ROLE_ADMIN",
    });
    let user = admin.call("UserService/CreateUser", &body).await.ok()["user"].clone();
    for member in ["name", "email", "fullname", "role"] {
        assert_eq!(user[member], body[member]);
    }
    let id = user["id"].as_str().expect("an id").to_owned();
    let plain = json!({ "name": "bob", "email": "bob@example.com" });
    let bob = admin.call("UserService/CreateUser", &plain).await.ok()["user"].clone();
    assert_eq!(bob["role"], "ORGANIZATION_ROLE_MEMBER");
    admin.call("UserService/CreateUser", &plain).await.refused(409, "already_exists", "");
    for (member, value) in [
        ("name", json!("")),
        ("name", json!("Bob")),
        ("name", json!("a b")),
        ("name", json!("x".repeat(64))),
        ("email", json!("")),
        ("email", json!("nobody")),
        ("email", json!("a b@example.com")),
        ("fullname", json!("line\n")),
        ("fullname", json!("x".repeat(128))),
    ] {
        let mut bad = json!({ "name": "carol", "email": "carol@example.com" });
        bad[member] = value;
        admin.call("UserService/CreateUser", &bad).await.blames(member);
    }
    let unknown = CreateUserRequest {
        name: "carol".into(),
        email: "c@example.com".into(),
        role: 9,
        ..Default::default()
    };
    admin.proto::<_, CreateUserResponse>(&unknown).await.expect_err("no such role").blames("role");
    let listed = admin.call("UserService/ListUsers", &json!({})).await.ok();
    let names: Vec<_> =
        listed["users"].as_array().expect("an array").iter().map(|user| user["name"].clone()).collect();
    assert_eq!(names, ["admin", "ada", "bob"]);
    // The same name in another organization is another name.
    server.other_organization().await.call("UserService/CreateUser", &plain).await.ok();

    let (ada, _) = admin.create_token(&json!({ "userId": id })).await;
    ada.call(WHO, &json!({})).await.ok();
    let disabled = admin.call("UserService/DisableUser", &json!({ "userId": id })).await.ok();
    assert_eq!(disabled["user"]["disabled"], true);
    ada.call(WHO, &json!({})).await.refused(401, "unauthenticated", "");
    ada.list("", &json!({})).await.refused(401, "unauthenticated", "");
    let more = admin.call("TokenService/CreateToken", &json!({ "userId": id })).await;
    more.refused(400, "failed_precondition", "disabled");
    let me = admin.call(WHO, &json!({})).await.ok()["subject"]["id"].clone();
    let own = admin.call("UserService/DisableUser", &json!({ "userId": me })).await;
    own.refused(400, "failed_precondition", "nobody can disable itself");
}

async fn tokens_are_shown_once_listed_and_revoked(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("member").await);
    let body = json!({ "description": "for tests", "validFor": "3600s", "readOnly": true });
    let made = member.call("TokenService/CreateToken", &body).await.ok();
    let text = made["token"].as_str().expect("a token").to_owned();
    let shown = made["apiToken"].clone();
    assert!(text.starts_with(&format!("sealink_pat_{}_", shown["id"].as_str().expect("an id"))), "{shown}");
    assert_eq!((&shown["description"], &shown["readOnly"]), (&json!("for tests"), &json!(true)));
    assert_eq!((&shown["subjectId"], &shown["kind"]), (&json!(member.id), &json!("TOKEN_KIND_PERSONAL")));
    let listed = member.call("TokenService/ListTokens", &json!({})).await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(&text));
    let rows = listed.ok()["tokens"].as_array().expect("an array").clone();
    assert_eq!(rows.len(), 2, "the member's own");
    assert!(rows.contains(&shown));
    let everybodys = admin.call("TokenService/ListTokens", &json!({})).await.ok();
    assert_eq!(everybodys["tokens"].as_array().map(Vec::len), Some(3));

    let reader = server.bearer(&text);
    reader.call(WHO, &json!({})).await.ok();
    reader.call("RunnerService/ListRunners", &json!({})).await.ok();
    let written = reader.call("RunnerService/CreateRunner", &json!({ "name": "a runner" })).await;
    written.refused(403, "permission_denied", "read-only");
    let id = json!({ "tokenId": shown["id"] });
    member.call("TokenService/RevokeToken", &id).await.ok();
    reader.call(WHO, &json!({})).await.refused(401, "unauthenticated", "");
    let used = admin.call("TokenService/ListTokens", &json!({ "userId": member.id })).await.ok();
    let row =
        used["tokens"].as_array().expect("an array").iter().find(|row| row["id"] == shown["id"]).cloned();
    let row = row.expect("revoked tokens stay in the list");
    assert!(row["revokedAt"].is_string(), "{row}");
}

async fn lives_of_tokens(server: &TestServer) {
    let admin = server.admin();
    for (life, seconds) in [(Value::Null, 30 * 86_400), (json!("1s"), 1), (json!("7776000s"), 90 * 86_400)] {
        let made = admin.call("TokenService/CreateToken", &json!({ "validFor": life })).await.ok();
        let at = |member: &str| {
            let text = made["apiToken"][member].as_str().unwrap_or_else(|| panic!("{member}: {made}"));
            let stamp: sealink::wkt::Timestamp = serde_json::from_value(json!(text)).expect("a timestamp");
            stamp.seconds
        };
        assert_eq!(at("expiresAt") - at("createdAt"), seconds, "{life}");
    }
    for life in ["0s", "-1s", "7776001s", "315576000000s"] {
        admin.call("TokenService/CreateToken", &json!({ "validFor": life })).await.blames("valid_for");
    }
    let long = json!({ "description": "x".repeat(201) });
    admin.call("TokenService/CreateToken", &long).await.blames("description");
}

async fn runner_tokens_can_be_revoked_too(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.enroll().await;
    let listed = admin.call("TokenService/ListTokens", &json!({})).await.ok();
    let rows = listed["tokens"].as_array().expect("an array").clone();
    let of_runner = rows.iter().find(|row| row["kind"] == "TOKEN_KIND_RUNNER").expect("the runner's token");
    assert_eq!(of_runner["subjectId"], json!(agent.runner));
    admin.call("TokenService/RevokeToken", &json!({ "tokenId": of_runner["id"] })).await.ok();
    agent.actor.call(WHO, &json!({})).await.refused(401, "unauthenticated", "");
}

async fn every_change_is_audited_without_its_secrets(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "oauthPlaintextClientSecret": "canary" })).await;
    let actions = |action: &'static str| server.database().count(action);
    assert_eq!(actions("SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.create'").await, 1);
    assert_eq!(actions("SELECT count(*) FROM audit_entry WHERE action = 'runner.create'").await, 1);
    assert_eq!(actions("SELECT count(*) FROM audit_entry WHERE action = 'runner_key.register'").await, 1);
    assert_eq!(actions("SELECT count(*) FROM audit_entry WHERE details LIKE '%canary%'").await, 0);
}

async fn nobody(actor: &Actor) -> bool {
    actor.call(WHO, &json!({})).await.status == 401
}

async fn a_token_is_good_until_the_very_moment_it_is_not(server: &TestServer) {
    let admin = server.admin();
    let (short, _) = admin.create_token(&json!({ "validFor": "1s" })).await;
    assert!(!nobody(&short).await);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert!(nobody(&short).await);
}

/// Two administrators who disable each other at the same moment: one of them stays.
async fn the_last_administrator_stays(server: &TestServer) {
    let first = server.admin();
    let body = json!({
        "name": "ada", "email": "ada@example.com", "fullname": "Ada Lovelace", "role": "ORGANIZATION_ROLE_ADMIN",
    });
    let made = first.call("UserService/CreateUser", &body).await.ok();
    let ada = json!({ "userId": made["user"]["id"] });
    let (second, _) = first.create_token(&ada).await;
    let own = first.call(WHO, &json!({})).await.ok();
    let own = json!({ "userId": own["subject"]["id"] });
    let (one, other) = tokio::join!(
        first.call("UserService/DisableUser", &ada),
        second.call("UserService/DisableUser", &own)
    );
    let done = [one.code(), other.code()].iter().filter(|code| **code == "OK").count();
    assert_eq!(done, 1, "{one:?} {other:?}");
    let left =
        server.database().count("SELECT count(*) FROM member WHERE role = 'ADMIN' AND disabled_at IS NULL");
    assert_eq!(left.await, 1);
}

on_both_stores!(
    the_last_administrator_stays,
    users_are_made_listed_and_disabled,
    tokens_are_shown_once_listed_and_revoked,
    lives_of_tokens,
    runner_tokens_can_be_revoked_too,
    every_change_is_audited_without_its_secrets,
    a_token_is_good_until_the_very_moment_it_is_not,
);
