//! `Idempotency-Key`: what is sent twice is made once.
mod at_once;
mod methods;

use std::{collections::BTreeSet, time::Duration};

use http::header::CONTENT_TYPE;
use prost::Message;
use sealink::pb::gitpod::v1::{CreateScmIntegrationRequest, CreateScmIntegrationResponse};
use serde_json::{Value, json};

use crate::support::{Actor, Agent, Answer, TestServer, new_id, on_both_stores};

const INTEGRATION: &str = "/gitpod.v1.RunnerConfigurationService/CreateSCMIntegration";
const RUNNER: &str = "/gitpod.v1.RunnerService/CreateRunner";
const USER: &str = "/sealink.v1.UserService/CreateUser";
const FIELD: &str = "Idempotency-Key";

async fn send(actor: &Actor, path: &str, key: &str, body: impl ToString) -> Answer {
    let sent = actor.post(path).header(CONTENT_TYPE, "application/json").header("idempotency-key", key);
    Answer::of(sent.body(body.to_string()).send().await.expect("an answer")).await
}

fn integration(runner: &str, host: &str) -> Value {
    json!({ "runnerId": runner, "scmId": "github", "host": host, "pat": true })
}

fn user(name: &str) -> Value {
    json!({ "name": name, "email": "somebody@example.com" })
}

fn runner(name: &str) -> Value {
    json!({ "name": name, "kind": "RUNNER_KIND_REMOTE" })
}

async fn audited(server: &TestServer, action: &'static str) -> i64 {
    let count = match action {
        "runner.create" => "SELECT count(*) FROM audit_entry WHERE action = 'runner.create'",
        "user.create" => "SELECT count(*) FROM audit_entry WHERE action = 'user.create'",
        _ => "SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.create'",
    };
    server.database().count(count).await
}

async fn kept(server: &TestServer) -> i64 {
    server.database().count("SELECT count(*) FROM idempotency").await
}

fn id_of(answer: &Answer) -> String {
    let value = answer.ok();
    let held =
        ["runner", "user", "serviceAccount", "group", "member", "token", "policy"].map(|name| &value[name]);
    let ids = held.iter().flat_map(|held| [&held["id"], &held["runnerId"], &held["groupId"]]);
    [&value["id"]].into_iter().chain(ids).find_map(|id| id.as_str()).expect("an id").to_owned()
}

async fn a32_the_same_key_makes_one_thing(server: &TestServer) {
    let admin = server.admin();
    let (runner_id, _) = admin.create_runner().await;
    let body = integration(&runner_id, "one.example.com");
    let first = send(&admin, INTEGRATION, "key", &body).await.ok();
    for _ in 0..3 {
        assert_eq!(send(&admin, INTEGRATION, "key", &body).await.ok(), first);
    }
    // The same request in other words, and in another encoding.
    let spelled = format!(
        "{{ \"pat\": true, \"host\": \"one.example.com\", \"scm_id\": \"github\", \"runner_id\": \"{runner_id}\" }}"
    );
    assert_eq!(send(&admin, INTEGRATION, "key", spelled).await.ok(), first);
    let message = CreateScmIntegrationRequest {
        runner_id: runner_id.clone(),
        scm_id: "github".into(),
        host: "one.example.com".into(),
        pat: true,
        ..CreateScmIntegrationRequest::default()
    };
    let sent =
        admin.post(INTEGRATION).header(CONTENT_TYPE, "application/proto").header("idempotency-key", "key");
    let answer = Answer::of(sent.body(message.encode_to_vec()).send().await.expect("an answer")).await;
    let answer = CreateScmIntegrationResponse::decode(&*answer.body).expect("a message");
    assert_eq!(json!(answer.id), first["id"]);
    assert_eq!(audited(server, "scm_integration.create").await, 1);

    // Another request under the same key is a mistake, whatever it would do.
    for other in
        [integration(&runner_id, "two.example.com"), integration(&new_id().to_string(), "one.example.com")]
    {
        send(&admin, INTEGRATION, "key", other).await.blames(FIELD);
    }
    // Without a key, and under another one, it is a request of its own.
    admin.call("RunnerConfigurationService/CreateSCMIntegration", &body).await.refused(
        409,
        "already_exists",
        "",
    );
    send(&admin, INTEGRATION, "another", &body).await.refused(409, "already_exists", "");
    assert_eq!(audited(server, "scm_integration.create").await, 1);

    // Users answer as they are.
    let first = send(&admin, USER, "key", user("ada")).await.ok();
    assert_eq!(send(&admin, USER, "key", user("ada")).await.ok(), first);
    send(&admin, USER, "key", user("bob")).await.blames(FIELD);
    assert_eq!(audited(server, "user.create").await, 1);
}

async fn a32_keys_belong_to_a_principal_and_a_method(server: &TestServer) {
    let admin = server.admin();
    let (ada, bob) = (server.member("ada").await, server.member("bob").await);
    let made = async |actor: &Actor| {
        send(actor, RUNNER, "key", runner("one")).await.ok()["runner"]["runnerId"].clone()
    };
    let ids = [
        made(&admin).await,
        made(&ada).await,
        made(&bob).await,
        made(&server.other_organization().await).await,
    ];
    assert_eq!(ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), 4);
    assert_eq!([made(&admin).await, made(&ada).await], [ids[0].clone(), ids[1].clone()]);
    send(&admin, USER, "key", user("carol")).await.ok();
    // A principal's tokens are one principal.
    let (again, _) = ada.create_token(&json!({})).await;
    assert_eq!(made(&again).await, ids[1]);
}

async fn a32_a_repeated_runner_gets_a_fresh_token(server: &TestServer) {
    let admin = server.admin();
    let (first, again) = (
        send(&admin, RUNNER, "key", runner("one")).await.ok(),
        send(&admin, RUNNER, "key", runner("one")).await.ok(),
    );
    assert_eq!(first["runner"]["runnerId"], again["runner"]["runnerId"]);
    assert_eq!(audited(server, "runner.create").await, 1);
    let id = first["runner"]["runnerId"].as_str().expect("an id");
    assert_ne!(first["exchangeToken"], again["exchangeToken"]);
    for answer in [&first, &again] {
        Agent::sign_in(&admin, id, answer["exchangeToken"].as_str().expect("a token")).await;
    }
    // With the runner goes what is known of its keys.
    send(&admin, INTEGRATION, "key", integration(id, "one.example.com")).await.ok();
    assert_eq!(kept(server).await, 2);
    admin.delete_runner(id).await.ok();
    assert_eq!(kept(server).await, 0);
    send(&admin, INTEGRATION, "key", integration(id, "one.example.com")).await.refused(
        404,
        "not_found",
        "runner",
    );
    let anew = send(&admin, RUNNER, "key", runner("one")).await.ok();
    assert_ne!(anew["runner"]["runnerId"], first["runner"]["runnerId"]);
}

async fn a32_what_failed_leaves_its_key_free(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.enroll().await;
    let mut body = json!({
        "runnerId": agent.runner, "scmId": "github", "host": "one.example.com",
        "oauthClientId": "c", "oauthPlaintextClientSecret": "s",
    });
    send(&admin, INTEGRATION, "key", &body).await.refused(400, "failed_precondition", "public key");
    let invalid = json!({ "runnerId": "nonsense" });
    send(&admin, INTEGRATION, "key", &invalid).await.blames("runner_id");
    let (stranger, read_only) = (server.member("stranger").await, server.read_only().await);
    send(&stranger, INTEGRATION, "key", &body).await.refused(403, "permission_denied", "");
    send(&read_only, INTEGRATION, "key", &body).await.refused(403, "permission_denied", "read-only");
    send(&stranger, USER, "key", user("ada")).await.refused(403, "permission_denied", "administrators");
    send(&server.nobody(), USER, "key", user("ada")).await.refused(401, "unauthenticated", "");
    assert_eq!(kept(server).await, 0);
    let mut agent = agent;
    agent.register_x25519().await;
    let made = send(&admin, INTEGRATION, "key", &body).await.ok();
    assert_eq!(agent.opened(made["id"].as_str().expect("an id")).await, "s");
    body["oauthPlaintextClientSecret"] = json!("another");
    send(&admin, INTEGRATION, "key", &body).await.blames(FIELD);
}

async fn a32_keys_are_one_header_of_printable_ascii(server: &TestServer) {
    let admin = server.admin();
    for key in [&b""[..], b"\xe9", &[b'x'; 256], b"a\tb"] {
        let sent = admin.post(USER).header(CONTENT_TYPE, "application/json");
        let key = http::HeaderValue::from_bytes(key).expect("a value");
        let sent = sent.header("idempotency-key", key).body(user("ada").to_string()).send().await;
        Answer::of(sent.expect("an answer")).await.blames(FIELD);
    }
    let twice = admin.post(USER).header(CONTENT_TYPE, "application/json").header("idempotency-key", "a");
    let twice = twice.header("idempotency-key", "b").body(user("ada").to_string()).send().await;
    Answer::of(twice.expect("an answer")).await.blames(FIELD);
    send(&admin, USER, &"x".repeat(255), user("ada")).await.ok();
    // What makes nothing takes no notice.
    let list = "/gitpod.v1.RunnerService/ListRunners";
    send(&admin, list, &"x".repeat(256), "{}").await.ok();
    let (id, _) = admin.create_runner().await;
    for name in ["one", "two"] {
        let rename = json!({ "runnerId": id, "name": name });
        send(&admin, "/gitpod.v1.RunnerService/UpdateRunner", "key", rename).await.ok();
        assert_eq!(admin.runner(&id).await["name"], name);
    }
    assert_eq!(kept(server).await, 1);
}

async fn a32_a_key_is_kept_for_a_day(server: &TestServer) {
    let admin = server.admin();
    let before = sealink::clock::Clock::System.now();
    let first = send(&admin, RUNNER, "key", runner("one")).await.ok()["runner"]["runnerId"].clone();
    let left = server.database().count("SELECT min(expires_at) FROM idempotency").await - before.0;
    let day = i64::try_from(Duration::from_hours(24).as_micros()).expect("a day");
    assert!((day..day + 60_000_000).contains(&left), "{left}");
    // Expired but not yet removed, it makes room for another request.
    server.database().execute("UPDATE idempotency SET expires_at = 1").await;
    let second = send(&admin, RUNNER, "key", runner("two")).await.ok()["runner"]["runnerId"].clone();
    assert_ne!(first, second);
    send(&admin, RUNNER, "key", runner("one")).await.blames(FIELD);
    assert_eq!(kept(server).await, 1);
}

on_both_stores! {
    a32_the_same_key_makes_one_thing,
    a32_keys_belong_to_a_principal_and_a_method,
    a32_a_repeated_runner_gets_a_fresh_token,
    a32_what_failed_leaves_its_key_free,
    a32_keys_are_one_header_of_printable_ascii,
    a32_a_key_is_kept_for_a_day,
}

/// Over gRPC the key is metadata.
#[tokio::test]
async fn a32_the_key_is_metadata_over_grpc() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    let request = CreateScmIntegrationRequest {
        runner_id: id.clone(),
        scm_id: "github".into(),
        host: "one.example.com".into(),
        pat: true,
        ..CreateScmIntegrationRequest::default()
    };
    let call = |message: &CreateScmIntegrationRequest| {
        crate::transport::Call::new(http::Method::POST, INTEGRATION)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", &format!("Bearer {}", admin.token.as_deref().expect("a token")))
            .header("idempotency-key", "key")
            .body(crate::transport::envelope(0, &message.encode_to_vec()))
            .http2()
            .send(server.address)
    };
    let (first, again) = (call(&request).await, call(&request).await);
    assert_eq!(first.grpc().0, tonic::Code::Ok);
    assert_eq!(first.body, again.body);
    let over_connect = send(&admin, INTEGRATION, "key", integration(&id, "one.example.com")).await.ok();
    let answered = CreateScmIntegrationResponse::decode(&first.body[5..]).expect("a message");
    assert_eq!(over_connect["id"], answered.id);
    let other = CreateScmIntegrationRequest { host: "two.example.com".into(), ..request };
    let (code, message) = call(&other).await.grpc();
    assert_eq!(code, tonic::Code::InvalidArgument);
    assert!(message.contains(FIELD), "{message}");
}
