//! `/v1/keys`.
use http::Method;
use serde_json::{Value, json};

use crate::support::{Actor, Answer, TestServer, on_both_stores};

/// Two keys, without comments.
pub(super) const ED25519: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB",
];

pub(super) async fn store(actor: &Actor, name: &str, content: &str) -> Answer {
    let body = json!({ "key": { "name": name, "content": content } });
    actor.rest(Method::POST, "/v1/keys", Some(&body)).await
}

async fn names(actor: &Actor) -> Vec<String> {
    let listed = actor.rest(Method::GET, "/v1/keys", None).await.ok();
    let keys = listed["keys"].as_array().expect("an array");
    keys.iter().map(|key| key["name"].as_str().expect("a name").to_owned()).collect()
}

async fn a_key_is_stored_listed_shown_and_deleted(server: &TestServer) {
    let nora = server.member("nora").await;
    assert_eq!(nora.rest(Method::GET, "/v1/keys", None).await.ok(), json!({ "keys": [] }));
    let content = format!("{} nora@laptop", ED25519[0]);
    let made = store(&nora, "work laptop", &format!("{content}\n")).await;
    assert_eq!(made.status, 201);
    let key = made.value()["key"].clone();
    let id = key["id"].as_str().expect("an id").to_owned();
    let created = key["created_at"].as_str().expect("a time");
    assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
    let expected = json!({
        "id": id, "name": "work laptop", "content": content,
        "fingerprint": "05:6d:11:6f:aa:82:7f:17:e4:a2:92:09:ca:cf:9d:42",
        "fingerprint_sha256": key["fingerprint_sha256"], "created_at": created,
        "owner": { "id": format!("us-{}", nora.id), "email": "nora@example.com", "username": "nora" },
    });
    assert_eq!(key, expected);
    assert!(key["fingerprint_sha256"].as_str().expect("text").starts_with("SHA256:"));
    let path = format!("/v1/keys/{id}");
    assert_eq!(nora.rest(Method::GET, &path, None).await.ok(), json!({ "key": expected }));
    assert_eq!(nora.rest(Method::GET, "/keys", None).await.ok(), json!({ "keys": [expected] }));

    let bare = json!({ "name": "second", "content": ED25519[1] });
    assert_eq!(nora.rest(Method::POST, "/v1/keys", Some(&bare)).await.status, 201);
    assert_eq!(names(&nora).await, ["work laptop", "second"]);

    let gone = nora.rest(Method::DELETE, &path, None).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    nora.rest(Method::DELETE, &path, None).await.said(404, "not found");
    assert_eq!(names(&nora).await, ["second"]);
    for (sql, count) in [
        ("SELECT COUNT(*) FROM audit_entry WHERE action = 'ssh_key.create'", 2),
        ("SELECT COUNT(*) FROM audit_entry WHERE action = 'ssh_key.delete'", 1),
    ] {
        assert_eq!(server.database().count(sql).await, count);
    }
}

async fn the_same_key_again_is_refused(server: &TestServer) {
    let nora = server.member("nora").await;
    assert_eq!(store(&nora, "one", ED25519[0]).await.status, 201);
    let again = store(&nora, "two", &format!("{} another comment", ED25519[0])).await;
    again.said(422, "content has already been taken");
    assert_eq!(again.value()["errors"], json!({ "content": ["has already been taken"] }));
    // Of another member it is another key.
    assert_eq!(store(&server.member("olaf").await, "one", ED25519[0]).await.status, 201);
}

async fn wrong_fields_are_named(server: &TestServer) {
    let nora = server.member("nora").await;
    let post = async |body: &Value| nora.rest(Method::POST, "/v1/keys", Some(body)).await;
    let errors = async |body: Value| {
        let answer = post(&body).await;
        assert_eq!(answer.status, 422, "{body}");
        let fields =
            answer.value()["errors"].as_object().expect("errors").keys().cloned().collect::<Vec<_>>();
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"), "{answer:?}");
        fields
    };
    assert_eq!(errors(json!({ "key": {} })).await, ["content", "name"]);
    assert_eq!(errors(json!({ "key": { "name": 5, "content": [] } })).await, ["content", "name"]);
    assert_eq!(errors(json!({ "key": { "name": " ", "content": ED25519[0] } })).await, ["name"]);
    assert_eq!(errors(json!({ "key": { "name": "a\u{7}", "content": ED25519[0] } })).await, ["name"]);
    for content in ["canary", "ssh-rsa canary canary", "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary"] {
        assert_eq!(errors(json!({ "key": { "name": "a", "content": content } })).await, ["content"]);
    }
    assert_eq!(names(&nora).await, Vec::<String>::new());
}

/// An administrator, too, has only its own keys; another's answer like what never was.
async fn nobody_reaches_another_ones(server: &TestServer) {
    let nora = server.member("nora").await;
    let made = store(&nora, "one", ED25519[0]).await.value();
    let path = format!("/v1/keys/{}", made["key"]["id"].as_str().expect("an id"));
    let never = "/v1/keys/0198a7c0-0000-7000-8000-000000000001";
    for other in [server.admin(), server.member("olaf").await, server.other_organization().await] {
        assert_eq!(names(&other).await, Vec::<String>::new());
        for method in [Method::GET, Method::DELETE] {
            let answers = [
                other.rest(method.clone(), &path, None).await,
                other.rest(method.clone(), never, None).await,
            ];
            answers[0].said(404, "not found");
            assert_eq!(answers[0].visible(), answers[1].visible());
        }
    }
    assert_eq!(names(&nora).await, ["one"]);
}

on_both_stores!(
    a_key_is_stored_listed_shown_and_deleted,
    the_same_key_again_is_refused,
    wrong_fields_are_named,
    nobody_reaches_another_ones,
);
