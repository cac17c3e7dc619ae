//! `Idempotency-Key` on creates: what is sent twice is made once.
use std::time::Duration;

use http::{HeaderValue, Method, header::AUTHORIZATION};
use serde_json::{Value, json};

use super::{
    keys::ED25519,
    site::{Site, with_forges},
};
use crate::{
    forges::{Fault, NEXT_TOKEN, TOKEN},
    support::{Actor, Answer},
};

const KEYS: &str = "/v1/keys";
const ACCOUNTS: &str = "/v1/scm_integrations";
const HEADER: &str = "Idempotency-Key";

async fn send(actor: &Actor, path: &str, name: &[u8], body: &Value) -> Answer {
    actor.watch.sent(body);
    let token = actor.token.as_deref().expect("a token");
    let request = actor.request(Method::POST, path).header(AUTHORIZATION, format!("Bearer {token}"));
    let request = request.header(HEADER, HeaderValue::from_bytes(name).expect("a value"));
    let answer = Answer::of(request.body(body.to_string()).send().await.expect("an answer")).await;
    actor.watch.heard(path, &answer);
    answer
}

fn key(name: &str, number: usize) -> Value {
    json!({ "key": { "name": name, "content": ED25519[number] } })
}

fn account(site: &Site, scm_type: &str, token: &str) -> Value {
    let url = &site.forge(scm_type).origin;
    json!({ "scm_integration": { "scm_type": scm_type, "url": url, "access_token": token } })
}

async fn a32_the_same_key_makes_one_ssh_key(site: &Site) {
    let nora = &site.nora;
    let first = send(nora, KEYS, b"one", &key("laptop", 0)).await;
    assert_eq!(first.status, 201, "{first:?}");
    // As it was sent, in other words, and with the web token of the same person.
    let bare = json!({ "later": 1, "content": ED25519[0], "name": "laptop" });
    let web = nora.exchanged().await;
    for (actor, body) in [(nora, &key("laptop", 0)), (nora, &bare), (&web, &bare)] {
        let again = send(actor, KEYS, b"one", body).await;
        assert_eq!((again.status.as_u16(), again.value()), (201, first.value()));
    }
    for other in [key("laptop", 1), key("desktop", 0)] {
        let refused = send(nora, KEYS, b"one", &other).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.value()["errors"][HEADER][0].is_string(), "{refused:?}");
    }
    // What failed leaves its key free; another person's is another one.
    send(nora, KEYS, b"two", &key("again", 0)).await.said(422, "content has already been taken");
    assert_eq!(send(nora, KEYS, b"two", &key("second", 1)).await.status, 201);
    let olaf = site.server.member("olaf").await;
    assert_ne!(send(&olaf, KEYS, b"one", &key("laptop", 0)).await.value(), first.value());
    let made = "SELECT COUNT(*) FROM audit_entry WHERE action = 'ssh_key.create'";
    assert_eq!(site.server.database().count(made).await, 3);
    for wrong in [&b""[..], b"\xe9", &[b'x'; 256]] {
        let refused = send(nora, KEYS, wrong, &key("laptop", 0)).await;
        assert!(refused.status == 422 && refused.value()["errors"][HEADER].is_array(), "{refused:?}");
    }
}

async fn a32_the_same_key_links_one_account(site: &Site) {
    let (nora, fake) = (&site.nora, site.forge("gitea"));
    // The forge was not there: the key is free.
    fake.break_with(Fault::Internal);
    assert_eq!(send(nora, ACCOUNTS, b"one", &account(site, "gitea", TOKEN)).await.status, 422);
    fake.break_with(Fault::None);
    let first = send(nora, ACCOUNTS, b"one", &account(site, "gitea", TOKEN)).await;
    assert_eq!(first.status, 201, "{first:?}");
    let asked = fake.requests().len();
    let again = send(nora, ACCOUNTS, b"one", &account(site, "gitea", TOKEN)).await;
    assert_eq!((again.status.as_u16(), again.value()), (201, first.value()));
    assert_eq!(fake.requests().len(), asked, "a repeat asks no forge");
    for other in [account(site, "gitea", NEXT_TOKEN), account(site, "forgejo", TOKEN)] {
        let refused = send(nora, ACCOUNTS, b"one", &other).await;
        assert!(refused.status == 422 && refused.value()["errors"][HEADER].is_array(), "{refused:?}");
    }
    assert_eq!(site.get("").await.ok()["scm_integrations"].as_array().map(Vec::len), Some(1));
    let kept = "SELECT COUNT(*) FROM idempotency WHERE method = '/v1/scm_integrations'";
    assert_eq!(site.server.database().count(kept).await, 1);
}

/// The forge never answers, so the first is in progress as long as this takes.
async fn a32_a_request_in_progress_is_a_conflict(site: &Site) {
    let (nora, fake) = (&site.nora, site.forge("gitea"));
    fake.break_with(Fault::Slow);
    let body = account(site, "gitea", TOKEN);
    let first = send(nora, ACCOUNTS, b"one", &body);
    let second = async {
        while fake.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        send(nora, ACCOUNTS, b"one", &body).await
    };
    tokio::select! {
        answer = first => panic!("answered by a silent forge: {answer:?}"),
        answer = second => {
            answer.said(409, "a request with this Idempotency-Key is in progress");
            assert_eq!(answer.headers["retry-after"], "1");
        }
    }
}

with_forges!(
    a32_the_same_key_makes_one_ssh_key,
    a32_the_same_key_links_one_account,
    a32_a_request_in_progress_is_a_conflict,
);
