//! How a watch ends: with the server, with its runner, for one who reads too slowly, and before it begins.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{TestServer, on_both_stores};

/// A server that stops says so, and when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_says_when_to_come_back() {
    let server = TestServer::start().await;
    let agent = server.admin().register().await;
    let mut stream = agent.watch("", 0).await;
    stream.next().await;
    let (end, ()) = tokio::join!(stream.step(), server.stop());
    let end = end.expect_err("an end");
    assert_eq!(end["error"]["code"], "unavailable", "{end}");
    let details = end["error"]["details"].as_array().expect("details");
    assert!(details.iter().any(|detail| detail["type"] == "google.rpc.RetryInfo"), "{end}");
}

/// A runner that is deleted takes its watchers along.
async fn a_deleted_runner_ends_its_watches(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let mut stream = agent.watch("", 0).await;
    stream.next().await;
    admin.delete_runner(&agent.runner).await.ok();
    assert_eq!(stream.end().await, "unavailable");
    assert_eq!(agent.watch("", 0).await.end().await, "unauthenticated");
}

/// A token that is revoked ends the streams that were opened with it, also one on which something happens all the
/// time.
async fn a_revoked_token_ends_its_streams(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({})).await;
    agent.beat(&agent.id).await.ok();
    let (mut watch, mut requests) = (agent.watch("", 0).await, agent.requests(16).await);
    watch.next().await;
    let busy = tokio::spawn({
        let admin = admin.clone();
        async move {
            let change = json!({ "oauthPlaintextClientSecret": "canary-busy-secret-4711" });
            loop {
                admin.update_integration(&id, &change).await.ok();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    let token = agent.actor.token.as_deref().and_then(|token| token.split('_').nth(2)).expect("an id");
    admin.call("TokenService/RevokeToken", &json!({ "tokenId": token })).await.ok();
    let ended = async {
        let end = loop {
            if let Err(end) = watch.step().await {
                break end;
            }
        };
        assert_eq!(end["error"]["code"], "unauthenticated", "{end}");
        let end = loop {
            if let Err(end) = requests.step().await {
                break end;
            }
        };
        assert_eq!(end["error"]["code"], "unauthenticated", "{end}");
    };
    tokio::time::timeout(Duration::from_secs(15), ended).await.expect("an end before the next keep-alive");
    busy.abort();
}

/// An agent has sixteen streams, and a place is free again once one is gone.
async fn an_agent_has_sixteen_streams(server: &TestServer) {
    let agent = server.admin().register().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut stream = agent.watch("", 0).await;
        stream.next().await;
        open.push(stream);
    }
    assert_eq!(agent.watch("", 0).await.end().await, "resource_exhausted");
    open.pop();
    for _ in 0..100 {
        if agent.watch("", 0).await.step().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place of a stream that is gone stays taken");
}

/// Who watches the server's health takes no place of an agent, and none of a call.
async fn watches_of_health_are_in_nobodys_way(server: &TestServer) {
    let (nobody, mut open) = (server.nobody(), Vec::new());
    for _ in 0..200 {
        let mut stream = nobody.stream("Health/Watch", &json!({})).await;
        assert_eq!(stream.next().await["status"], "SERVING");
        open.push(stream);
    }
    let agent = server.admin().register().await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut stream = agent.watch("", 0).await;
        stream.next().await;
        streams.push(stream);
    }
    assert_eq!(agent.beat(&agent.id).await.code(), "OK");
}

on_both_stores!(
    a_deleted_runner_ends_its_watches,
    a_revoked_token_ends_its_streams,
    an_agent_has_sixteen_streams,
    watches_of_health_are_in_nobodys_way,
);

/// One who does not read is cut off, and holds up nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_does_not_read_is_cut_off() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let agent = admin.register().await;
    let stream = TokioIo::new(TcpStream::connect(server.address).await.expect("connect"));
    let window = http2::Builder::new(TokioExecutor::new()).initial_stream_window_size(65_535).clone();
    let (mut sender, connection) = window.handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let body = json!({ "agentId": agent.id }).to_string();
    let request =
        Request::post(format!("http://{}/sealink.v1.RunnerAgentService/WatchConfiguration", server.address))
            .header("content-type", "application/grpc+json")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", agent.actor.token.as_deref().expect("a token")))
            .body(Full::new(Bytes::from(crate::transport::envelope(0, body.as_bytes()))))
            .expect("a request");
    let slow = sender.send_request(request).await.expect("an answer");

    let mut quick = agent.watch("", 0).await;
    quick.next().await;
    let secret = "x".repeat(4_000);
    let id = admin.integrate(&agent.runner, &json!({ "oauthPlaintextClientSecret": secret })).await;
    for _ in 0..400 {
        let secret = json!({ "oauthPlaintextClientSecret": secret });
        admin.update_integration(&id, &secret).await.ok();
    }
    for _ in 0..401 {
        quick.next().await;
    }
    let collected = slow.into_body().collect().await.expect("a whole answer");
    let trailers = collected.trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "8", "{trailers:?}");
}
