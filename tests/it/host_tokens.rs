//! Host tokens: what is stored of a credential, what is sealed, and what goes when its integration changes.
use sealink::seal::Field;
use serde_json::{Value, json};

use crate::support::{Actor, Agent, TestServer, on_both_stores};

const OAUTH: &str = "HOST_AUTHENTICATION_TOKEN_SOURCE_OAUTH";
const PAT: &str = "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT";

/// An administrator and a runner with a key.
async fn scene(server: &TestServer) -> (Actor, Agent) {
    let admin = server.admin();
    let agent = admin.register().await;
    (admin, agent)
}

/// What the agent opens of a token: its value, and its refresh token.
async fn opened(server: &TestServer, agent: &Agent, token: &Value) -> (String, Option<String>) {
    let id = token["id"].as_str().expect("an id");
    let value = server.database().sealed(id, "host_token.value").await.expect("a value");
    let refresh = server.database().sealed(id, "host_token.refresh").await;
    let refresh = refresh.map(|sealed| agent.opened_token(token, Field::HostTokenRefresh, &sealed));
    (agent.opened_token(token, Field::HostTokenValue, &value), refresh)
}

async fn shown(admin: &Actor, id: &str) -> Value {
    admin.get_token(id).await.ok()["token"].clone()
}

async fn what_is_stored_is_described_and_only_the_runner_opens_it(server: &TestServer) {
    let (admin, agent) = scene(server).await;
    let me = admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
    let over = json!({
        "host": "GitHub.com", "refreshToken": "refresh_value", "scopes": ["repo", "read:user"],
        "expiresAt": "2030-01-02T03:04:05.123456789+01:00", "source": OAUTH,
    });
    let created = admin.try_store_token(&agent.runner, &over).await;
    let token = created.ok()["token"].clone();
    let id = token["id"].as_str().expect("an id");
    let expected = json!({
        "id": id, "runnerId": agent.runner, "host": "GitHub.com", "source": OAUTH,
        "userId": me["subject"]["id"], "subject": me["subject"], "scopes": ["repo", "read:user"],
        "expiresAt": "2030-01-02T02:04:05.123456Z",
    });
    assert_eq!(token, expected);
    assert_eq!(shown(&admin, id).await, expected);
    assert_eq!(shown(&agent.actor, id).await, expected, "the runner sees what it may use");
    assert_eq!(admin.listed_tokens(&json!({})).await, [id]);
    let (value, refresh) = opened(server, &agent, &token).await;
    assert_eq!((value.as_str(), refresh.as_deref()), ("token_value", Some("refresh_value")));
    for answer in [created, admin.get_token(id).await] {
        let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
        assert!(!text.contains("token_value") && !text.contains("refresh_value"), "{text}");
    }
    let change = "SELECT count(*) FROM configuration_change WHERE object_kind = 'host_token' \
        AND operation = 'PUT' AND host = 'GitHub.com' AND subject_id IS NOT NULL";
    assert_eq!(server.database().count(change).await, 1);
}

async fn a_subject_has_one_token_per_runner_and_host(server: &TestServer) {
    let (admin, agent) = scene(server).await;
    let other = admin.register().await;
    let user = server.member("somebody").await;
    let id = admin.store_token(&agent.runner, &json!({})).await;
    let again = admin.try_store_token(&agent.runner, &json!({ "host": "GITHUB.com", "source": OAUTH })).await;
    again.refused(409, "already_exists", "host authentication token already exists");
    assert_eq!(again.headers["x-should-retry"], "false");
    for (runner, over) in [
        (&other.runner, json!({})),
        (&agent.runner, json!({ "host": "gitlab.example.com" })),
        (&agent.runner, json!({ "userId": user.id })),
    ] {
        admin.store_token(runner, &over).await;
    }
    assert_eq!(admin.delete_token(&id).await.ok(), json!({}));
    admin.delete_token(&id).await.refused(404, "not_found", "host authentication token not found");
    admin.get_token(&id).await.refused(404, "not_found", "host authentication token not found");
    assert_eq!(server.database().sealed(&id, "host_token.value").await, None);
    admin.store_token(&agent.runner, &json!({})).await;
}

async fn presence_decides_what_an_update_changes(server: &TestServer) {
    let (admin, agent) = scene(server).await;
    let over = json!({ "refreshToken": "refresh", "scopes": ["a"], "expiresAt": "2030-01-01T00:00:00Z" });
    let id = admin.store_token(&agent.runner, &over).await;
    let before = shown(&admin, &id).await;
    let ciphertext = server.database().sealed(&id, "host_token.value").await;
    let nothing = json!({ "scopes": [] });
    for change in [json!({}), nothing, json!({ "scopes": ["a"], "expiresAt": "2030-01-01T00:00:00Z" })] {
        assert_eq!(admin.update_token(&id, &change).await.ok(), json!({}));
        assert_eq!(shown(&admin, &id).await, before);
    }
    let versions = "SELECT version FROM host_token";
    assert_eq!(server.database().count(versions).await, 1, "nothing changed, nothing counts");

    let change = json!({ "scopes": ["b", "c"], "expiresAt": "2031-01-01T00:00:00Z" });
    admin.update_token(&id, &change).await.ok();
    let after = shown(&admin, &id).await;
    assert_eq!((&after["scopes"], &after["expiresAt"]), (&change["scopes"], &change["expiresAt"]));
    assert_eq!(server.database().sealed(&id, "host_token.value").await, ciphertext);
    assert_eq!(opened(server, &agent, &after).await.1.as_deref(), Some("refresh"));

    admin.update_token(&id, &json!({ "token": "second", "refreshToken": "" })).await.ok();
    assert_eq!(opened(server, &agent, &after).await, ("second".to_owned(), None));
    admin.update_token(&id, &json!({ "refreshToken": "third" })).await.ok();
    assert_eq!(opened(server, &agent, &after).await, ("second".to_owned(), Some("third".to_owned())));
    admin.update_token(&id, &json!({ "token": "" })).await.blames("token");
    assert_eq!(server.database().count(versions).await, 4);
}

/// Longer than other secrets, and otherwise under the same rules.
async fn what_a_credential_may_be(server: &TestServer) {
    let (admin, agent) = scene(server).await;
    let longest = "t".repeat(8_192);
    let over = json!({ "token": longest, "refreshToken": longest });
    let token = admin.try_store_token(&agent.runner, &over).await.ok()["token"].clone();
    assert_eq!(opened(server, &agent, &token).await, (longest.clone(), Some(longest)));
    let id = token["id"].as_str().expect("an id");
    for bad in ["t".repeat(8_193), "canary\n".into(), " canary".into(), "canary\0".into()] {
        for field in ["token", "refreshToken"] {
            let name = if field == "token" { field } else { "refresh_token" };
            let mut over = json!({ "host": "x.example.com" });
            over[field] = json!(bad);
            let refused = admin.try_store_token(&agent.runner, &over).await;
            refused.blames(name);
            assert!(!refused.message().contains(bad.trim()), "echoed");
            admin.update_token(id, &json!({ field: bad })).await.blames(name);
        }
    }
    for (over, field) in [
        (json!({ "source": 0 }), "source"),
        (json!({ "host": "http://github.com" }), "host"),
        (json!({ "host": "127.0.0.1" }), "host"),
        (json!({ "scopes": ["a\nb"] }), "scopes[0]"),
        (json!({ "scopes": vec!["a"; 102] }), "scopes"),
        (json!({ "subject": { "id": agent.runner, "principal": "PRINCIPAL_RUNNER" } }), "subject"),
        (json!({ "subject": { "principal": "PRINCIPAL_USER" } }), "subject"),
        (json!({ "integrationId": "x" }), "integration_id"),
    ] {
        admin.try_store_token(&agent.runner, &over).await.blames(field);
    }
    let nobody = json!({ "subject": { "id": agent.runner, "principal": "PRINCIPAL_USER" } });
    let refused = admin.try_store_token(&agent.runner, &nobody).await;
    refused.refused(404, "not_found", "subject not found");
}

async fn no_key_no_token(server: &TestServer) {
    let text = "runner does not have a public key";
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    admin.try_store_token(&agent.runner, &json!({})).await.refused(400, "failed_precondition", text);
    let kid = agent.register_x25519().await;
    let id = admin.store_token(&agent.runner, &json!({ "refreshToken": "refresh" })).await;
    let kept = admin.integrate_pat(&agent.runner, "github.com").await;
    // A credential without its value is none: it goes with the key.
    assert_eq!(admin.revoke(&kid).await.ok()["wipedSecrets"], 2);
    admin.get_token(&id).await.refused(404, "not_found", "");
    assert_eq!(server.database().count("SELECT count(*) FROM sealed_secret").await, 0);
    let gone = "SELECT count(*) FROM configuration_change WHERE object_kind = 'host_token' \
        AND operation = 'DELETE' AND host = 'github.com' AND subject_id IS NOT NULL";
    assert_eq!(server.database().count(gone).await, 1);
    admin.integration(&kept).await;
    admin.try_store_token(&agent.runner, &json!({})).await.refused(400, "failed_precondition", text);
}

/// What is sealed to a key keeps it from being retired.
async fn a_key_is_retired_with_its_last_token(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    agent.register_x25519().await;
    let id = admin.store_token(&agent.runner, &json!({ "refreshToken": "refresh" })).await;
    agent.register_x25519().await;
    let old = async |agent: &Agent| agent.actor.keys(&agent.runner).await[1]["state"].clone();
    assert_eq!(old(&agent).await, "KEY_STATE_RETIRING");
    admin.update_token(&id, &json!({ "token": "new" })).await.ok();
    assert_eq!(old(&agent).await, "KEY_STATE_RETIRING", "the refresh token still names it");
    admin.update_token(&id, &json!({ "refreshToken": "new" })).await.ok();
    assert_eq!(old(&agent).await, "KEY_STATE_RETIRED");
}

/// A token names the integration it came by, if at all, and that must fit.
async fn a_named_integration_must_fit(server: &TestServer) {
    let (admin, agent) = scene(server).await;
    let other = admin.register().await;
    let pat_only = admin.integrate_pat(&agent.runner, "github.com").await;
    let elsewhere = admin.integrate_pat(&other.runner, "github.com").await;
    let named = |id: &str, over: &Value| {
        let mut over = over.clone();
        over["integrationId"] = json!(id);
        over
    };
    for unknown in [elsewhere.as_str(), "0198a7c0-0000-7000-8000-0000000000ff"] {
        let refused = admin.try_store_token(&agent.runner, &named(unknown, &json!({}))).await;
        refused.refused(404, "not_found", "SCM integration not found");
    }
    let host = named(&pat_only, &json!({ "host": "ghe.example.com" }));
    admin.try_store_token(&agent.runner, &host).await.refused(400, "failed_precondition", "another host");
    let source = named(&pat_only, &json!({ "source": OAUTH }));
    admin.try_store_token(&agent.runner, &source).await.refused(400, "failed_precondition", "source");
    let id = admin.store_token(&agent.runner, &named(&pat_only, &json!({}))).await;
    assert_eq!(shown(&admin, &id).await["integrationId"], json!(pat_only));
}

/// A25 and its like: with the way to sign in go the credentials that came by it, and no others.
async fn a25_tokens_go_with_what_they_came_by(server: &TestServer) {
    let users = [server.member("a").await, server.member("b").await, server.member("c").await];
    for (change, gone) in [
        (json!({ "oauthClientId": "" }), [true, false, true, false]),
        (json!({ "pat": false }), [false, true, false, true]),
        (json!({ "oauthPlaintextClientSecret": "rotated" }), [false; 4]),
        (Value::Null, [true; 4]),
    ] {
        let (admin, agent) = scene(server).await;
        let both = json!({ "pat": true });
        let id = admin.integrate(&agent.runner, &both).await;
        let elsewhere =
            admin.integrate(&agent.runner, &json!({ "pat": true, "host": "ghe.example.com" })).await;
        let store = async |user: &Actor, source, integration: Option<&str>, host| {
            let over =
                json!({ "userId": user.id, "source": source, "integrationId": integration, "host": host });
            admin.store_token(&agent.runner, &over).await
        };
        let tokens = [
            store(&users[0], OAUTH, Some(&id), "github.com").await,
            store(&users[1], PAT, Some(&id), "github.com").await,
            // Nobody said what it came by, and no other integration serves the host.
            store(&users[2], OAUTH, None, "GitHub.com").await,
            store(&admin_user(&admin).await, PAT, None, "github.com").await,
        ];
        let kept = [
            store(&users[0], OAUTH, Some(&elsewhere), "ghe.example.com").await,
            store(&users[1], PAT, None, "ghe.example.com").await,
        ];
        if change.is_null() {
            admin.delete_integration(&id).await.ok();
        } else {
            admin.update_integration(&id, &change).await.ok();
        }
        let left = admin.listed_tokens(&json!({ "runnerId": agent.runner })).await;
        for (token, gone) in tokens.iter().zip(gone) {
            assert_eq!(!left.contains(token), gone, "{change}: {token}");
            assert_eq!(server.database().sealed(token, "host_token.value").await.is_none(), gone);
        }
        assert!(kept.iter().all(|token| left.contains(token)), "{change}");
    }
}

async fn admin_user(admin: &Actor) -> Actor {
    let me = admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
    admin.clone().known_as(me["subject"]["id"].as_str().expect("an id"))
}

/// Two integrations serve one host: a token that names neither goes with the last of them.
async fn a_token_of_no_integration_goes_with_the_last(server: &TestServer) {
    let (admin, agent) = scene(server).await;
    let first = admin.integrate_pat(&agent.runner, "git.example.com").await;
    let over = json!({
        "scmId": "gitlab", "host": "git.example.com", "pat": true,
        "oauthClientId": null, "oauthPlaintextClientSecret": null,
    });
    let second = admin.integrate(&agent.runner, &over).await;
    let id = admin.store_token(&agent.runner, &json!({ "host": "git.example.com" })).await;
    admin.update_integration(&first, &json!({ "pat": false })).await.ok();
    admin.get_token(&id).await.ok();
    admin.delete_integration(&first).await.ok();
    admin.get_token(&id).await.ok();
    // Also where the integration itself stays what it is: it was off before the token came.
    admin.update_integration(&second, &json!({ "pat": false })).await.ok();
    admin.get_token(&id).await.refused(404, "not_found", "");
    let id = admin.store_token(&agent.runner, &json!({ "host": "git.example.com" })).await;
    admin.update_integration(&second, &json!({ "pat": false })).await.ok();
    admin.get_token(&id).await.refused(404, "not_found", "");
}

on_both_stores!(
    what_is_stored_is_described_and_only_the_runner_opens_it,
    a_subject_has_one_token_per_runner_and_host,
    presence_decides_what_an_update_changes,
    what_a_credential_may_be,
    no_key_no_token,
    a_key_is_retired_with_its_last_token,
    a_named_integration_must_fit,
    a25_tokens_go_with_what_they_came_by,
    a_token_of_no_integration_goes_with_the_last,
);
