//! Secrets with a name, sent through everything there is, and then looked for wherever they must not be.
use std::collections::BTreeSet;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use prost::Message;
use sealink::{pb, seal::open::PrivateKey};
use serde_json::{Value, json};

use crate::{
    process::Process,
    support::{Actor, Agent, Canary, Database, TestServer, hex, new_id},
};

/// Where which canary is.
fn hits(canaries: &[Canary], places: &[(String, Vec<u8>)]) -> BTreeSet<(String, String)> {
    let found = places.iter().flat_map(|(place, text)| {
        canaries.iter().filter(|canary| canary.is_in(text)).map(|canary| (place.clone(), canary.name.clone()))
    });
    found.collect()
}

/// Every place that is searched: what the process wrote, and what it answered, save tokens to their owners.
fn places(process: &Process, admin: &Actor) -> Vec<(String, Vec<u8>)> {
    process.written().into_iter().chain(admin.transcript()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_anywhere_but_where_it_belongs() {
    let admin_token = "canary-admin-2f0c5a1be94d7738a0ff00";
    let process = Process::start(admin_token);
    let admin = process.bearer(admin_token);
    let mut canaries = vec![Canary::new("admin token", admin_token.as_bytes())];
    let root = std::fs::read(process.path("data/root.key")).expect("a root key");
    canaries.push(Canary::new("root key", &root[..32]));
    drive(&admin, &mut canaries).await;
    break_database(&process, &admin).await;

    let places = places(&process, &admin);
    for expected in ["stdout", "stderr", "sealink.db", "sealink.db-wal"] {
        assert!(places.iter().any(|(place, _)| place == expected), "{expected} is not searched");
    }
    let log = &places.iter().find(|(place, _)| place == "stderr").expect("the log").1;
    assert!(memchr::memmem::find(log, b"ERROR").is_some(), "the log says nothing of the failures");
    assert!(canaries.len() >= 13, "{}", canaries.len());
    let found: Vec<_> = hits(&canaries, &places)
        .into_iter()
        .filter(|hit| *hit != ("root.key".to_owned(), "root key".to_owned()))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

/// Uses every secret as it is meant to be used, and then sends it where it is not.
async fn drive(admin: &Actor, canaries: &mut Vec<Canary>) {
    let (runner, exchange) = admin.create_runner().await;
    canaries.push(Canary::new("exchange token", secret_part(&exchange)));
    let mut agent = Agent::sign_in(admin, &runner, &exchange).await;
    let token = agent.actor.token.clone().expect("a token");
    canaries.push(Canary::new("runner token", secret_part(&token)));
    let (reader, _) = admin.create_token(&json!({ "readOnly": true })).await;
    canaries.push(Canary::new("personal token", secret_part(reader.token.as_deref().expect("a token"))));
    register(&mut agent, canaries).await;

    // Underscores: otherwise each would pass for a host.
    let secrets = [
        ("client secret", "canary_client_5d1e"),
        ("second client secret", "canary_rotated_77aa"),
        ("metrics password", "canary_metrics_c0de"),
        ("Honeycomb key", "canary_honeycomb_9b3f"),
        ("removed secret", "canary_removed_1234"),
        ("host token", "canary_host_token_e4e4"),
        ("refresh token", "canary_refresh_81c2"),
    ];
    for (name, secret) in secrets {
        canaries.push(Canary::new(name, secret.as_bytes()));
    }
    let id = admin.integrate(&runner, &json!({ "oauthPlaintextClientSecret": secrets[0].1 })).await;
    let change = json!({ "oauthPlaintextClientSecret": secrets[1].1 });
    admin.update_integration(&id, &change).await.ok();
    assert_eq!(agent.opened(&id).await, secrets[1].1);
    let spec = json!({ "configuration": {
        "metrics": { "password": secrets[2].1 }, "honeycombApiKey": secrets[3].1,
    } });
    admin.update_runner(&runner, &spec).await.ok();
    assert_eq!(agent.opened_honeycomb().await, secrets[3].1);
    let spec = json!({ "configuration": { "metrics": { "password": secrets[4].1 } } });
    let body = json!({ "name": "with a password", "spec": spec });
    let made = admin.call("RunnerService/CreateRunner", &body).await.ok();
    admin.delete_runner(made["runner"]["runnerId"].as_str().expect("an id")).await.ok();

    let credential = json!({ "token": secrets[5].1, "refreshToken": secrets[6].1 });
    let stored = admin.store_token(&runner, &credential).await;
    admin.update_token(&stored, &json!({ "refreshToken": secrets[5].1, "token": secrets[6].1 })).await.ok();

    // Where each of them must be refused, and must not be repeated.
    let wrong: Vec<_> = secrets.iter().map(|(_, secret)| (*secret).to_owned()).collect();
    for actor in [admin, &reader, &agent.actor, &admin.with_token("sealink_pat_x")] {
        for secret in wrong.iter().chain([&exchange, &token]) {
            misplace(actor, &runner, &id, secret).await;
        }
    }
    admin.revoke(&kid_of(&agent).await).await.ok();
    every_method(&[admin, &agent.actor], &wrong[0]).await;
}

/// Failures are logged with their causes: of calls that carry secrets, when their tables have changed.
async fn break_database(process: &Process, admin: &Actor) {
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({})).await;
    let (_, exchange) = admin.create_runner().await;
    let database = Database::sqlite(&process.path("data/sealink.db")).await;
    for change in [
        "ALTER TABLE scm_integration RENAME COLUMN version TO broken",
        "ALTER TABLE runner RENAME COLUMN metrics_password TO broken",
        "ALTER TABLE token RENAME COLUMN description TO broken",
    ] {
        database.execute(change).await;
    }
    let secret = json!({ "oauthPlaintextClientSecret": "canary_client_5d1e" });
    let metrics = json!({ "configuration": { "metrics": { "password": "canary_metrics_c0de" } } });
    for answer in [
        admin.try_integrate(&agent.runner, &json!({ "host": "x.example.com" })).await,
        admin.update_integration(&id, &secret).await,
        admin.update_runner(&agent.runner, &metrics).await,
        admin.call("IdentityService/ExchangeToken", &json!({ "exchangeToken": exchange })).await,
        admin.call("TokenService/CreateToken", &json!({})).await,
    ] {
        refused(&answer);
    }
}

/// The random part of a token and its checksum.
fn secret_part(token: &str) -> &[u8] {
    &token.as_bytes()[token.len() - 49..]
}

async fn kid_of(agent: &Agent) -> String {
    agent.actor.keys(&agent.runner).await[0]["kid"].as_str().expect("a kid").to_owned()
}

/// Registers a key whose challenge the test can open by itself, after offering its private half by mistake.
#[expect(clippy::disallowed_types, reason = "agents never show what they opened, and this test needs it")]
async fn register(agent: &mut Agent, canaries: &mut Vec<Canary>) {
    let bytes = [0x5a; 32].map(|byte: u8| byte ^ new_id().as_bytes()[15]);
    let key = PrivateKey::from_x25519(&bytes);
    let pem = key.to_pem().expect("a PEM");
    let line = pem.lines().nth(1).expect("a line").to_owned();
    canaries.push(Canary::new("private key file", line.as_bytes()));
    canaries.push(Canary::new("private key", &bytes));
    let body = json!({ "runnerId": agent.runner, "publicKey": STANDARD.encode(pem.as_bytes()) });
    agent.actor.call("RunnerKeyService/BeginKeyRegistration", &body).await.blames("public_key");

    agent.keep(&key);
    let offered = agent.offer(key.public()).await.ok();
    let challenge = STANDARD.decode(offered["challengeNew"].as_str().expect("a challenge")).expect("base64");
    let plain = crypto_box::SecretKey::from(bytes).unseal(&challenge).expect("a challenge that opens");
    canaries.push(Canary::new("challenge random", &plain[plain.len() - 32..]));
    let begun = agent.begin(key.public()).await;
    let answer = STANDARD.decode(&begun.answer_new).expect("base64");
    canaries.push(Canary::new("challenge answer", &answer));
    agent.complete(&begun).await.ok();
}

/// One secret in every wrong place that somebody has been seen to paste one into.
async fn misplace(actor: &Actor, runner: &str, id: &str, secret: &str) {
    let long = format!("{secret}{}", "x".repeat(5_000));
    let line = format!("{secret}\n");
    for over in [
        json!({ "host": secret }),
        json!({ "host": format!("user:{secret}@github.com") }),
        json!({ "scmId": secret }),
        json!({ "issuerUrl": secret }),
        json!({ "virtualDirectory": secret }),
        json!({ "runnerId": secret }),
        json!({ "oauthPlaintextClientSecret": long }),
        json!({ "oauthPlaintextClientSecret": line }),
        json!({ "oauthPlaintextClientSecret": { secret: secret } }),
        json!({ "pat": secret }),
    ] {
        refused(&actor.try_integrate(runner, &over).await);
    }
    for change in [
        json!({ "pat": secret }),
        json!({ "issuerUrl": secret }),
        json!({ "oauthPlaintextClientSecret": line }),
    ] {
        refused(&actor.update_integration(id, &change).await);
    }
    for body in
        [format!("{{\"id\":\"{secret}\""), format!("{{\"id\":\"{secret}\"}}trailing"), secret.to_owned()]
    {
        refused(&actor.raw("RunnerConfigurationService/GetSCMIntegration", "application/json", body).await);
    }
    for over in [
        json!({ "host": secret }),
        json!({ "token": line }),
        json!({ "token": { secret: secret } }),
        json!({ "refreshToken": line }),
        json!({ "expiresAt": secret }),
        json!({ "userId": secret }),
        json!({ "source": secret }),
    ] {
        refused(&actor.try_store_token(runner, &over).await);
    }
    let query = format!("?token={secret}&pageSize={secret}&access_token={secret}");
    refused(&actor.list(&query, &json!({})).await);
    refused(&actor.list("", &json!({ "pagination": { "token": secret } })).await);
    refused(&actor.list("", &json!({ "filter": { "runnerIds": [secret] } })).await);
    let bearer = actor.with_token(&format!("{secret}x"));
    refused(&bearer.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await);
    refused(
        &actor.call("IdentityService/ExchangeToken", &json!({ "exchangeToken": format!("{secret}x") })).await,
    );
    refused(&actor.raw(&format!("RunnerService/{secret}"), "application/json", "{}").await);
    refused(&actor.raw("RunnerService/GetRunner", &format!("text/{secret}"), secret.to_owned()).await);
}

fn refused(answer: &crate::support::Answer) {
    assert!(!answer.status.is_success(), "{answer:?}");
}

/// Every method there is: empty, garbage, and with secrets as values of the wrong type.
async fn every_method(actors: &[&Actor], secret: &str) {
    let files = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).expect("descriptors").file;
    let services = files.iter().flat_map(|file| &file.service);
    for (service, method) in services.flat_map(|service| service.method.iter().map(move |one| (service, one)))
    {
        if method.server_streaming() {
            continue;
        }
        let path = format!("{}/{}", service.name(), method.name());
        for actor in actors {
            let bodies =
                [json!({}), json!({ "id": { secret: 1 }, "runnerId": [secret], "kid": 5, "host": secret })];
            for body in bodies.map(|body: Value| body.to_string()).into_iter().chain([secret.to_owned()]) {
                actor.raw(&path, "application/json", body).await;
            }
            actor.raw(&path, "application/proto", secret.to_owned()).await;
        }
    }
}

/// The search above sees a leak, in every spelling and every kind of place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_leak_is_found() {
    let admin_token = "planted-admin-2f0c5a1be94d7738a0f";
    let process = Process::start(admin_token);
    let admin = process.bearer(admin_token);
    let secret = "canary-planted-4242";
    let canaries = [Canary::new("planted", secret.as_bytes())];
    assert!(hits(&canaries, &places(&process, &admin)).is_empty());
    // A host is stored and shown in clear text.
    let (runner, _) = admin.create_runner().await;
    let id = admin.integrate_pat(&runner, &format!("{secret}.example.com")).await;
    admin.integration(&id).await;
    let found = hits(&canaries, &places(&process, &admin));
    for place in ["sealink.db-wal", "RunnerConfigurationService/GetSCMIntegration"] {
        assert!(found.contains(&(place.to_owned(), "planted".to_owned())), "{place}: {found:?}");
    }
    let bytes = secret.as_bytes();
    let mut leaks = vec![format!("{bytes:?}"), format!("{:?}", [&[1], bytes].concat())];
    for text in [secret.to_owned(), format!("a{secret}"), format!("ab{secret}z"), format!("abc{secret}zz")] {
        leaks.push(STANDARD.encode(&text));
        leaks.push(URL_SAFE_NO_PAD.encode(&text));
        leaks.push(hex(text.as_bytes()).to_uppercase());
        leaks.push(text);
    }
    for (at, leak) in leaks.iter().enumerate() {
        let name = format!("planted-{at}.log");
        std::fs::write(process.path(&name), format!("noise {leak} noise")).expect("writable");
        let found = hits(&canaries, &places(&process, &admin));
        assert!(found.contains(&(name, "planted".to_owned())), "{leak}");
    }
}

/// Every other test is a taint test as well: whatever it sends as a secret is found wherever it does not belong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_leak_is_found_by_every_test() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let agent = admin.register().await;
    let secret = format!("planted-{}", new_id().simple());
    admin.integrate(&agent.runner, &json!({ "oauthPlaintextClientSecret": secret })).await;
    let token = agent.actor.token.clone().expect("a token");
    assert_eq!(server.watch.leaks(&server.files()), BTreeSet::new());

    let id = admin.integrate_pat(&agent.runner, &format!("{secret}.example.com")).await;
    admin.integration(&id).await;
    tracing::trace!(mistake = token, "said in one place");
    let found = server.watch.leaks(&server.files());
    for leak in [
        "oauthPlaintextClientSecret is in sealink.db-wal",
        "oauthPlaintextClientSecret is in RunnerConfigurationService/GetSCMIntegration",
        "an issued token is in the log",
    ] {
        assert!(found.contains(leak), "{leak}: {found:#?}");
    }
    server.watch.forget();
}

/// And then it fails, when its server ends.
#[tokio::test]
#[should_panic(expected = "secrets got out")]
async fn a_test_with_a_leak_fails() {
    let server = TestServer::start().await;
    let nobody = server.nobody();
    let token = format!("planted-{}", new_id().simple());
    nobody.call("IdentityService/ExchangeToken", &json!({ "exchangeToken": token })).await;
    tracing::debug!(token, "a mistake");
}
