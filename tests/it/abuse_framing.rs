//! Hostile framing and messages, on every protocol: the numbers are those of the list of abuse cases.
use http::Method;
use sealink::rpc::Config;
use tonic::Code;

use crate::transport::{Call, Options, envelope, gzip, rpc_error, start};

const CREATE: &str = "CreateSCMIntegration";
const PROTO: &str = "application/proto";
const JSON: &str = "application/json";

/// The message over gRPC and Connect; both must answer the same.
async fn both(
    to: std::net::SocketAddr,
    method: &str,
    message: &[u8],
) -> (Code, String, (u16, String, String)) {
    let grpc = Call::grpc(method, envelope(0, message)).send(to).await.grpc();
    let connect = Call::connect(method, PROTO, message.to_vec()).send(to).await.connect();
    (grpc.0, grpc.1, connect)
}

#[tokio::test]
async fn a1_a2_a4_broken_protobuf_is_invalid_and_says_nothing() {
    let server = start(Options::default()).await;
    let nested: Vec<u8> = [vec![0x0b; 200], vec![0x0c; 200]].concat();
    let unknown_groups: Vec<u8> = [[0xa3, 0x06].repeat(200), [0xa4, 0x06].repeat(200)].concat();
    for message in [
        &b"\x0a\xff"[..],
        b"\x0a\x05ab",
        b"\x08\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x0a\x02\xc3\x28",
        &nested,
        &unknown_groups,
    ] {
        let (code, text, connect) = both(server.address, CREATE, message).await;
        assert_eq!(code, Code::InvalidArgument, "{message:x?}");
        assert_eq!(text, "invalid protobuf message");
        assert_eq!(connect, (400, "invalid_argument".into(), text));
    }
}

#[tokio::test]
async fn a3_unknown_fields_and_enum_numbers_pass() {
    let server = start(Options::default()).await;
    let answer = Call::grpc(CREATE, envelope(0, b"\xc0\x3e\x01\x0a\x01r")).send(server.address).await;
    assert_eq!(answer.grpc().0, Code::Ok);
    let json = r#"{"runner_id":"r","somebodyElses":{"a":[1,2]},"host":"h"}"#;
    let answer = Call::connect(CREATE, JSON, json).send(server.address).await;
    assert_eq!(answer.echoed(), serde_json::json!({"runnerId": "r", "host": "h"}));
}

#[tokio::test]
async fn a5_oversize_is_exhausted_without_advice_to_retry() {
    let server = start(Options::default()).await;
    let large = vec![b'x'; 5 << 20];
    for call in [
        Call::connect(CREATE, PROTO, large.clone()),
        Call::connect(CREATE, PROTO, large.clone()).http2(),
        Call::grpc(CREATE, envelope(0, &large)),
        Call::grpc(CREATE, [&[0, 0xff, 0xff, 0xff, 0xff][..], b"abc"].concat()),
        Call::connect(CREATE, "application/grpc-web+proto", envelope(0, &large)),
    ] {
        let answer = call.send(server.address).await;
        let code = rpc_error(&answer);
        assert!(matches!(code.as_str(), "8" | "429 resource_exhausted"), "{code}");
        assert_eq!(answer.headers.contains_key("x-should-retry"), code.starts_with("429"), "{answer:?}");
        assert!(!answer.headers.contains_key("grpc-status-details-bin"));
        assert!(!String::from_utf8_lossy(&answer.body).contains("details"));
    }
    let exact = Config::default().max_message;
    let field = |length: usize| [&b"\x1a"[..], &varint(length), &vec![b'h'; length]].concat();
    let (ok, over) = (field(exact - 4), field(exact - 3));
    assert_eq!((ok.len(), over.len()), (exact, exact + 1));
    assert_eq!(Call::grpc(CREATE, envelope(0, &ok)).send(server.address).await.grpc().0, Code::Ok);
    let answer = Call::grpc(CREATE, envelope(0, &over)).send(server.address).await;
    assert_eq!(answer.grpc().0, Code::ResourceExhausted);
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).expect("7 bits") | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("7 bits"));
    out
}

#[tokio::test]
async fn a7_encodings_and_flags() {
    let server = start(Options::default()).await;
    let message = envelope(0, b"");
    for (call, expected) in [
        (Call::grpc(CREATE, message.clone()).header("grpc-encoding", "zstd"), "12"),
        (Call::connect(CREATE, PROTO, "").header("content-encoding", "br"), "501 unimplemented"),
        (
            Call::connect("Watch", "application/connect+proto", message.clone())
                .header("connect-content-encoding", "snappy"),
            "unimplemented",
        ),
        (Call::grpc(CREATE, envelope(1, &gzip(b"x"))), "13"),
        (Call::grpc(CREATE, envelope(7, b"")), "13"),
        (Call::connect("Watch", "application/connect+proto", envelope(1, b"x")), "internal"),
        (Call::connect("Watch", "application/connect+proto", envelope(7, b"")), "internal"),
        (Call::connect(CREATE, "application/grpc-web", envelope(7, b"")), "13"),
        (Call::grpc(CREATE, envelope(1, b"no gzip")).header("grpc-encoding", "gzip"), "3"),
    ] {
        let answer = call.send(server.address).await;
        assert_eq!(rpc_error(&answer), expected, "{answer:?}");
    }
    let answer = Call::grpc(CREATE, message).header("grpc-encoding", "zstd").send(server.address).await;
    assert_eq!(answer.headers["grpc-accept-encoding"], "gzip,identity");
}

#[tokio::test]
async fn a9_not_exactly_one_message_or_not_a_call_at_all() {
    let server = start(Options::default()).await;
    let two = [envelope(0, b""), envelope(0, b"")].concat();
    let stream = "application/connect+proto";
    for (call, expected) in [
        (Call::grpc(CREATE, ""), "12"),
        (Call::grpc(CREATE, two.clone()), "12"),
        (Call::connect(CREATE, "application/grpc-web+proto", ""), "12"),
        (Call::connect(CREATE, "application/grpc-web+proto", two.clone()), "12"),
        (Call::connect("Watch", stream, ""), "unimplemented"),
        (Call::connect("Watch", stream, two), "unimplemented"),
        (Call::grpc(CREATE, &b"\0\0\0\0\x05ab"[..]), "3"),
        (Call::connect(CREATE, JSON, envelope(0, b"{}")), "400 invalid_argument"),
        (Call::connect(CREATE, JSON, ""), "400 invalid_argument"),
    ] {
        let answer = call.send(server.address).await;
        assert_eq!(rpc_error(&answer), expected, "{answer:?}");
    }
    let status = async |call: Call| call.send(server.address).await.status.as_u16();
    assert_eq!(status(Call::connect(CREATE, "text/plain", "{}")).await, 415);
    assert_eq!(status(Call::connect(CREATE, "application/json; charset=latin1", "{}")).await, 415);
    assert_eq!(status(Call::connect("Watch", JSON, "{}")).await, 415);
    assert_eq!(status(Call::connect(CREATE, "application/grpc", "")).await, 505);
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let answer = Call::new(method, "/gitpod.v1.RunnerConfigurationService/CreateSCMIntegration");
        let answer = answer.send(server.address).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["allow"]),
            (405, &"POST".parse().expect("a value"))
        );
    }
}

#[tokio::test]
async fn unknown_methods_are_unimplemented_in_the_callers_protocol() {
    let server = start(Options::default()).await;
    for path in ["/gitpod.v1.RunnerConfigurationService/Nothing", "/nowhere", "/api/nowhere", "/"] {
        let answer = Call::connect(path, JSON, "{}").send(server.address).await;
        assert_eq!(answer.connect(), (404, "unimplemented".into(), "unknown method".into()));
        assert_eq!(
            Call::grpc(path, envelope(0, b"")).send(server.address).await.grpc().0,
            Code::Unimplemented
        );
        let answer = Call::new(Method::GET, path).send(server.address).await;
        assert_eq!(answer.connect().0, 404);
    }
}

#[tokio::test]
async fn framing_comes_before_authentication_and_decoding_after() {
    let server = start(Options::default()).await;
    let bad = |call: Call| call.header("authorization", "Bearer bad");
    let framing = bad(Call::grpc(CREATE, envelope(7, b""))).send(server.address).await;
    assert_eq!(framing.grpc().0, Code::Internal);
    let decoding = bad(Call::grpc(CREATE, envelope(0, b"\x0a\xff"))).send(server.address).await;
    assert_eq!(decoding.grpc().0, Code::Unauthenticated);
    let decoding = bad(Call::connect(CREATE, JSON, "not JSON")).send(server.address).await;
    assert_eq!(decoding.connect().0, 401);
}

#[tokio::test]
async fn a37_deadlines() {
    let server = start(Options::default()).await;
    let slow = r#"{"scmId":"slow"}"#;
    for (call, expected) in [
        (Call::grpc(CREATE, envelope(0, b"")).header("grpc-timeout", "1n"), "4"),
        (Call::grpc(CREATE, envelope(0, b"\x12\x04slow")).header("grpc-timeout", "50m"), "4"),
        (Call::connect(CREATE, JSON, slow).header("connect-timeout-ms", "50"), "504 deadline_exceeded"),
        (Call::connect(CREATE, JSON, "{}").header("connect-timeout-ms", "0"), "504 deadline_exceeded"),
        (
            Call::connect("Watch", "application/connect+proto", envelope(0, b""))
                .header("connect-timeout-ms", "50"),
            "deadline_exceeded",
        ),
        (Call::grpc("Watch", envelope(0, b"")).header("grpc-timeout", "50m"), "4"),
        (Call::grpc(CREATE, envelope(0, b"")).header("grpc-timeout", "soon"), "3"),
        (Call::connect(CREATE, JSON, "{}").header("connect-timeout-ms", "-1"), "400 invalid_argument"),
    ] {
        let answer = call.send(server.address).await;
        assert_eq!(rpc_error(&answer), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_unary_call_ends_with_the_servers_patience_and_a_stream_does_not() {
    let total = std::time::Duration::from_millis(100);
    let config = Config { total, first_message: total, ..Config::default() };
    let server = start(Options { config, ..Options::default() }).await;
    let answer = Call::connect(CREATE, JSON, r#"{"scmId":"slow"}"#).send(server.address).await;
    assert_eq!(answer.connect().0, 504);
    let watch = Call::connect("Watch", "application/connect+json", envelope(0, b"{}"));
    let watch = tokio::spawn(watch.send(server.address));
    tokio::time::sleep(3 * total).await;
    assert!(!watch.is_finished());
    server.stop().await;
    let answer = watch.await.expect("an answer");
    assert!(String::from_utf8_lossy(&answer.body).contains("NOT_SERVING"), "{answer:?}");
    assert_eq!(answer.end(), serde_json::json!({}));
}

#[tokio::test]
async fn texts_of_bugs_stay_inside() {
    let server = start(Options::default()).await;
    for (scm_id, code) in
        [("internal", Code::Internal), ("unknown", Code::Unknown), ("panic", Code::Internal)]
    {
        let message = [&[0x12, u8::try_from(scm_id.len()).expect("short")][..], scm_id.as_bytes()].concat();
        let (grpc, text, (http, _, connect)) = both(server.address, CREATE, &message).await;
        assert_eq!((grpc, http), (code, 500));
        assert_eq!((text.as_str(), connect.as_str()), ("internal", "internal"));
    }
}

#[tokio::test]
async fn clients_are_told_when_retrying_is_no_use() {
    let server = start(Options::default()).await;
    for (scm_id, http) in [("exists", 409), ("unimplemented", 501), ("internal", 500)] {
        let call = Call::connect(CREATE, JSON, format!(r#"{{"scmId":"{scm_id}"}}"#));
        let answer = call.send(server.address).await;
        assert_eq!(answer.status.as_u16(), http);
        assert_eq!(answer.headers["x-should-retry"], "false");
    }
}
