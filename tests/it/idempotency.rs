//! `Idempotency-Key`: what is sent twice is made once.
use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use prost::Message;
use sealink::{
    domain::idempotency::{METHODS, Policy},
    pb::gitpod::v1::{CreateScmIntegrationRequest, CreateScmIntegrationResponse},
};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::{Actor, Agent, Answer, Database, TestServer, new_id, on_both_stores};

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

/// Of fifty that come at once one makes something; the others are told of it, or to wait.
async fn a32_of_fifty_equal_keys_one_makes_something(server: &TestServer) {
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    let all = [
        (INTEGRATION, integration(&id, "one.example.com"), "scm_integration.create"),
        (RUNNER, runner("one"), "runner.create"),
        (USER, user("ada"), "user.create"),
    ];
    for (path, body, action) in all {
        let before = audited(server, action).await;
        let answers = join_all((0..50).map(|_| send(&admin, path, "key", &body))).await;
        one_thing(&answers, path);
        assert_eq!(audited(server, action).await, before + 1, "{path}");
    }
}

fn id_of(answer: &Answer) -> String {
    let value = answer.ok();
    let held =
        ["runner", "user", "serviceAccount", "group", "member", "token", "policy"].map(|name| &value[name]);
    let ids = held.iter().flat_map(|held| [&held["id"], &held["runnerId"], &held["groupId"]]);
    [&value["id"]].into_iter().chain(ids).find_map(|id| id.as_str()).expect("an id").to_owned()
}

fn one_thing(answers: &[Answer], what: &str) {
    let mut ids = BTreeSet::new();
    for answer in answers {
        if answer.status.is_success() {
            ids.insert(id_of(answer));
        } else {
            answer.refused(409, "aborted", "in progress");
        }
    }
    assert_eq!(ids.len(), 1, "{what}");
}

/// As long as the first is not done, the second is told to wait.
async fn a32_in_flight_is_aborted(server: &TestServer) {
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    crate::audit::settled(server).await;
    let body = integration(&id, "one.example.com");
    let both = async || {
        let mut calls: Vec<_> = (0..2).map(|_| Box::pin(send(&admin, INTEGRATION, "key", &body))).collect();
        let second = calls.pop().expect("two");
        match futures_util::future::select(calls.pop().expect("two"), second).await {
            futures_util::future::Either::Left(done) | futures_util::future::Either::Right(done) => done,
        }
    };
    // Whoever writes has to wait, so the answer that comes first is not the one that makes something.
    let (early, late) = match server.database() {
        Database::Sqlite(pool) => {
            let mut connection = pool.acquire().await.expect("a connection");
            let open = connection.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
            let (early, late) = both().await;
            open.rollback().await.expect("rolled back");
            (early, late.await)
        }
        Database::Postgres { pool, .. } => {
            let mut open = pool.begin().await.expect("a transaction");
            sqlx::query("SELECT id FROM runner FOR UPDATE").execute(&mut *open).await.expect("locked");
            let (early, late) = both().await;
            open.rollback().await.expect("rolled back");
            (early, late.await)
        }
    };
    early.refused(409, "aborted", "in progress");
    let made = late.ok();
    assert_eq!(send(&admin, INTEGRATION, "key", &body).await.ok(), made);
}

async fn a32_methods_that_answer_only_a_token_refuse(server: &TestServer) {
    let admin = server.admin();
    let (id, exchange) = admin.create_runner().await;
    let before = server.database().count("SELECT count(*) FROM token").await;
    let mut refused = 0;
    for (path, policy) in METHODS.iter().copied() {
        let Policy::Refused(reason) = policy else { continue };
        let body = match path.rsplit('/').next().expect("a method") {
            "CreateRunnerToken" | "CreateRunnerLogsToken" => json!({ "runnerId": id }),
            "ExchangeToken" => json!({ "exchangeToken": exchange }),
            _ => json!({}),
        };
        send(&admin, path, "key", body).await.blames(FIELD).refused(400, "invalid_argument", reason);
        refused += 1;
    }
    assert_eq!(refused, 4);
    assert_eq!(server.database().count("SELECT count(*) FROM token").await, before);
    Agent::sign_in(&admin, &id, &exchange).await;
}

/// Every method that makes something, as long as it is served, answers a repeat with the same thing.
async fn every_create_answers_its_repeat(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let me = admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
    let group = admin.create_group("first").await;
    let subject = json!({ "id": me["subject"]["id"], "principal": "PRINCIPAL_USER" });
    for (path, policy) in METHODS.iter().copied() {
        if policy != Policy::Once {
            continue;
        }
        let method = path.rsplit('/').next().expect("a method");
        let body = match method {
            "CreateSCMIntegration" => integration(&agent.runner, "one.example.com"),
            "CreateRunner" => runner("one"),
            "CreateUser" => user("ada"),
            "CreateServiceAccount" => json!({ "name": "builder", "role": "ORGANIZATION_ROLE_MEMBER" }),
            "CreateGroup" => json!({ "organizationId": me["organizationId"], "name": "people" }),
            "CreateMembership" => json!({ "groupId": group, "subject": subject }),
            "CreateRunnerPolicy" => {
                json!({ "runnerId": agent.runner, "groupId": group, "role": "RUNNER_ROLE_USER" })
            }
            "CreateEnvironmentClass" => {
                json!({ "runnerId": agent.runner, "displayName": "Large", "description": "eight cores" })
            }
            "CreateHostAuthenticationToken" => json!({
                "runnerId": agent.runner, "host": "github.com", "token": "token_value",
                "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT",
            }),
            "CreateLLMIntegration" => json!({
                "runnerId": agent.runner, "models": ["SUPPORTED_MODEL_SONNET_4_5"], "apiKey": "api_key",
            }),
            _ => {
                let answer = send(&admin, path, "every", json!({})).await;
                assert_eq!(answer.code(), "UNIMPLEMENTED", "{path} is served: it needs a request here");
                continue;
            }
        };
        let before = kept(server).await;
        let first = id_of(&send(&admin, path, "every", &body).await);
        assert_eq!(id_of(&send(&admin, path, "every", &body).await), first, "{path}");
        assert_eq!(kept(server).await, before + 1, "{path}");
    }
}

on_both_stores! {
    a32_the_same_key_makes_one_thing,
    a32_keys_belong_to_a_principal_and_a_method,
    a32_a_repeated_runner_gets_a_fresh_token,
    a32_what_failed_leaves_its_key_free,
    a32_keys_are_one_header_of_printable_ascii,
    a32_a_key_is_kept_for_a_day,
    a32_of_fifty_equal_keys_one_makes_something,
    a32_in_flight_is_aborted,
    a32_methods_that_answer_only_a_token_refuse,
    every_create_answers_its_repeat,
}

/// Two servers know nothing of each other's calls in progress, and still make one thing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a32_two_servers_make_one_thing() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    for round in 0..10 {
        let (key, name) = (format!("key {round}"), format!("name{round}"));
        for (path, body) in [
            (INTEGRATION, integration(&id, &format!("{name}.example.com"))),
            (USER, user(&name)),
            (RUNNER, runner(&name)),
        ] {
            let callers = [&admin, &replica.admin].into_iter().cycle().take(8);
            let answers = join_all(callers.map(|caller| send(caller, path, &key, &body))).await;
            one_thing(&answers, path);
        }
    }
    for action in ["scm_integration.create", "user.create"] {
        assert_eq!(audited(&server, action).await, 10);
    }
    assert_eq!(audited(&server, "runner.create").await, 11);
    replica.stop().await;
    server.stop().await;
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

/// A method that makes something and is not in the table would take keys for granted and make it twice.
#[test]
fn every_method_that_makes_something_has_its_line() {
    let files = prost_types::FileDescriptorSet::decode(sealink::pb::DESCRIPTORS).expect("descriptors").file;
    let mut makes = BTreeSet::new();
    for file in &files {
        for service in &file.service {
            for method in service.method.iter().map(prost_types::MethodDescriptorProto::name) {
                if method.starts_with("Create") || method == "ExchangeToken" {
                    makes.insert(format!("/{}.{}/{method}", file.package(), service.name()));
                }
            }
        }
    }
    let listed: BTreeSet<_> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(listed, makes);
}
