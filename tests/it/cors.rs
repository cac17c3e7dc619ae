//! Browsers: who may call, and what they may read.
use http::Method;
use sealink::api::cors::cors;

use crate::transport::{Answer, Call, Options, Server, envelope, start};

const PATH: &str = "/api/grpc.health.v1.Health/Check";

async fn server() -> Server {
    let cors = cors(&["https://console.example.com".to_owned()]).expect("an origin");
    start(Options { cors, ..Options::default() }).await
}

async fn preflight(server: &Server, origin: &str, headers: &str) -> Answer {
    Call::new(Method::OPTIONS, PATH)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", headers)
        .send(server.address)
        .await
}

#[tokio::test]
async fn the_allowed_origin_may_call_and_read() {
    let server = server().await;
    let headers =
        "authorization,content-type,connect-protocol-version,connect-timeout-ms,x-ona-user-agent,x-grpc-web";
    let answer = preflight(&server, "https://console.example.com", headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://console.example.com");
    assert_eq!(answer.headers["access-control-allow-headers"], headers);
    assert_eq!(answer.headers["access-control-allow-methods"], "GET,HEAD,POST,PUT,PATCH,DELETE");
    for (content_type, body) in
        [("application/json", b"{}".to_vec()), ("application/grpc-web", envelope(0, b""))]
    {
        let call = Call::connect(PATH, content_type, body).header("origin", "https://console.example.com");
        let answer = call.send(server.address).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["access-control-allow-origin"], "https://console.example.com");
        let exposed = answer.headers["access-control-expose-headers"].to_str().expect("ASCII").to_owned();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
}

#[tokio::test]
async fn a_refused_origin_gets_no_permission() {
    let server = server().await;
    for origin in ["https://evil.example.com", "http://console.example.com", "null"] {
        let answer = preflight(&server, origin, "authorization").await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
        for (content_type, body) in
            [("application/json", b"{}".to_vec()), ("application/grpc-web", envelope(0, b""))]
        {
            let call = Call::connect(PATH, content_type, body).header("origin", origin);
            let answer = call.send(server.address).await;
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
        }
    }
}

#[test]
fn only_origins_are_origins() {
    assert!(cors(&[]).expect("none").is_none());
    for origin in ["http://localhost:5173", "https://a.example"] {
        assert!(cors(&[origin.to_owned()]).expect("an origin").is_some(), "{origin}");
    }
    for origin in
        ["*", "", "console.example.com", "https://a.example/", "https://a.example:443", "ftp://a.example"]
    {
        for origins in [vec![origin.to_owned()], vec!["https://a.example".to_owned(), origin.to_owned()]] {
            let error = cors(&origins).expect_err(origin).to_string();
            assert!(error.contains("cors.allowed_origins"), "{error}");
        }
    }
}
