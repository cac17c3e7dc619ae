//! Principal × RPC: what is written in `matrix.toml` is what happens, for every method there is, over Connect and over
//! gRPC, on both stores.
mod foreign;
mod nul;
mod requests;
mod scene;

use std::collections::BTreeMap;

use prost::Message;
use sealink::pb;
use serde_json::Value;

use self::{requests::request, scene::Cast};
use crate::{
    support::{Actor, Answer, TestServer, on_both_stores},
    transport::{Call, envelope},
};

type Cells = BTreeMap<String, Vec<String>>;

fn expected() -> (Vec<String>, BTreeMap<String, Cells>) {
    let mut table: toml::Table = include_str!("../matrix.toml").parse().expect("TOML");
    let principals = table.remove("principals").expect("principals").try_into().expect("names");
    (principals, toml::Value::Table(table).try_into().expect("rows of cells"))
}

/// Every method of every service that is served, and whether it has side effects.
fn methods() -> BTreeMap<String, BTreeMap<String, bool>> {
    let files = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).expect("descriptors").file;
    let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
    for (file, service) in
        files.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)))
    {
        for method in &service.method {
            let level = method.options.as_ref().map(prost_types::MethodOptions::idempotency_level);
            let reads = level == Some(prost_types::method_options::IdempotencyLevel::NoSideEffects);
            let service = format!("{}.{}", file.package(), service.name());
            found.entry(service).or_default().insert(method.name().to_owned(), reads);
        }
    }
    found
}

#[test]
fn every_method_has_a_row_and_every_row_a_method() {
    let (principals, expected) = expected();
    let names = |rows: &BTreeMap<String, Vec<String>>| rows.keys().cloned().collect::<Vec<_>>();
    let rows: BTreeMap<_, _> =
        expected.iter().map(|(service, rows)| (service.clone(), names(rows))).collect();
    let known = methods().into_iter().map(|(service, rows)| (service, rows.into_keys().collect())).collect();
    assert_eq!(rows, known);
    for (method, cells) in expected.values().flatten() {
        assert_eq!(cells.len(), principals.len(), "{method}");
    }
}

async fn every_cell_is_as_written(server: &TestServer) {
    matrix(server, over_connect).await;
}

async fn every_cell_is_as_written_over_grpc(server: &TestServer) {
    matrix(server, over_grpc).await;
}

async fn matrix(server: &TestServer, ask: impl AsyncFn(&TestServer, &Actor, &str, &Value) -> String) {
    let (principals, expected) = expected();
    let cast = Cast::new(server).await;
    let mut scene = cast.scene().await;
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (service, rows) in methods() {
        for (method, reads) in rows {
            for (principal, cell) in principals.iter().zip(&expected[&service][&method]) {
                let path = format!("/{service}/{method}");
                let body = match method.as_str() {
                    "SendResponse" => scene.response().await,
                    method => request(method, &scene),
                };
                let answer = ask(server, cast.get(principal, &scene), &path, &body).await;
                if answer != *cell {
                    wrong.push(format!("{service}/{method} as {principal}: {answer}, not {cell}"));
                }
                checked += 1;
                if answer == "OK" && !reads {
                    scene = cast.scene().await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(checked, methods().values().map(BTreeMap::len).sum::<usize>() * principals.len());
}

fn is_stream(path: &str) -> bool {
    ["/Watch", "/WatchConfiguration", "/WatchRequests", "/Rotate"].iter().any(|method| path.ends_with(method))
}

/// The answer's code. A stream has none before its end, so its first message counts.
async fn over_connect(_: &TestServer, actor: &Actor, path: &str, body: &Value) -> String {
    if is_stream(path) {
        let envelope = envelope(0, body.to_string().as_bytes());
        let sent = actor.post(path).header("content-type", "application/connect+json").body(envelope);
        let first = sent.send().await.expect("an answer").chunk().await.expect("a chunk").expect("a message");
        if first[0] == 0 {
            return "OK".to_owned();
        }
        let end: Value = serde_json::from_slice(&first[5..]).expect("the end of a stream");
        return end["error"]["code"].as_str().expect("a code").to_uppercase();
    }
    let sent = actor.post(path).header("content-type", "application/json").body(body.to_string());
    Answer::of(sent.send().await.expect("an answer")).await.code()
}

/// The same over gRPC, whose messages may be JSON, too: who may what is decided before they are decoded or after.
async fn over_grpc(server: &TestServer, actor: &Actor, path: &str, body: &Value) -> String {
    let mut call = Call::grpc(path, envelope(0, body.to_string().as_bytes()));
    call = call.header("content-type", "application/grpc+json");
    if let Some(token) = &actor.token {
        call = call.header("authorization", &format!("Bearer {token}"));
    }
    if is_stream(path) {
        call = call.header("grpc-timeout", "300m");
    }
    let answer = call.send(server.address).await;
    if is_stream(path) && answer.body.first() == Some(&0) {
        return "OK".to_owned();
    }
    let code = format!("{:?}", answer.grpc().0);
    // A stream that was still open when its time was up; one that is refused ends at once.
    if is_stream(path) && code == "DeadlineExceeded" {
        return "OK".to_owned();
    }
    let words = code.char_indices().map(|(at, letter)| match letter {
        'A'..='Z' if at > 0 => format!("_{letter}"),
        letter => letter.to_ascii_uppercase().to_string(),
    });
    if code == "Ok" { "OK".to_owned() } else { words.collect::<Vec<_>>().concat() }
}

on_both_stores!(every_cell_is_as_written, every_cell_is_as_written_over_grpc);
