//! JSON in: strict about JSON, lenient about the mapping; and what else a message may come in.
use base64::{Engine, engine::general_purpose::URL_SAFE};
use http::Method;
use serde_json::{Value, json};

use crate::transport::{Answer, Call, Options, Server, envelope, gzip, start};

const JSON: &str = "application/json";

async fn post(server: &Server, method: &str, body: impl Into<bytes::Bytes>) -> Answer {
    Call::connect(method, JSON, body).send(server.address).await
}

async fn create(server: &Server, body: &str) -> Value {
    post(server, "CreateSCMIntegration", body.to_owned()).await.echoed()
}

#[tokio::test]
async fn a8_refuses_what_is_not_strictly_json() {
    let server = start(Options::default()).await;
    let deep = |depth: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    let mut bodies: Vec<Vec<u8>> = [
        deep(129),
        format!("{}1", "[".repeat(60_000)),
        r#"{"host":"a","host":"b"}"#.into(),
        r#"{"host":null,"host":"b"}"#.into(),
        r#"{"host":"a","ignored":{"k":1,"k":2}}"#.into(),
        r#"{"host":null,"ignored":[{"k":null,"\u006b":null}]}"#.into(),
        r#"{"runnerId":"a","runner_id":"a"}"#.into(),
        "{} {}".into(),
        "{}x".into(),
        "\u{feff}{}".into(),
        r#"{"host":"\ud800"}"#.into(),
        r#"{"ignored":"\udfff"}"#.into(),
        r#"{"ignored":NaN}"#.into(),
        r#"{"ignored":1e400}"#.into(),
        r#"{"ignored":-1e400}"#.into(),
        r#"{"host":NaN}"#.into(),
        r#"{"host":null "scmId":"x"}"#.into(),
        r#"{"host":null,}"#.into(),
        r#"{"pat":"SECRET"}"#.into(),
        r#"{"oauthPlaintextClientSecret":{"SECRET":1}}"#.into(),
        r#"{"oauthPlaintextClientSecret":12345678}"#.into(),
        "null".into(),
        "[]".into(),
        String::new(),
    ]
    .map(String::into_bytes)
    .to_vec();
    bodies.push(b"{\"host\":\"\xff\"}".to_vec());
    bodies.push(b"{\"ignored\":\"\xc3\x28\"}".to_vec());
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (http, code, text) = post(&server, "CreateSCMIntegration", body).await.connect();
        assert_eq!((http, code.as_str()), (400, "invalid_argument"), "{shown}");
        let position = text.strip_prefix("invalid JSON message at line ").expect("a position");
        assert!(position.bytes().all(|byte| byte.is_ascii_digit() || b" column".contains(&byte)), "{text}");
    }
    assert_eq!(create(&server, &deep(128)).await, json!({}));
}

#[tokio::test]
async fn a8_a_string_that_never_closes_is_refused_whatever_its_characters() {
    let server = start(Options::default()).await;
    for body in ["{\"é", "{\"é\":\"€", "{\"\\é", "{\"\u{1f600}", "[{\"ñ\\"] {
        let (http, code, text) = post(&server, "CreateSCMIntegration", body).await.connect();
        assert_eq!((http, code.as_str()), (400, "invalid_argument"), "{body}");
        assert!(text.starts_with("invalid JSON message at line 1 column "), "{text}");
    }
}

#[tokio::test]
async fn the_position_is_that_of_the_text_sent() {
    let server = start(Options::default()).await;
    let answer = post(&server, "CreateSCMIntegration", "{\"host\":null,\n\"runnerId\": 5}").await;
    let (_, _, text) = answer.connect();
    assert!(text.starts_with("invalid JSON message at line 2 column 1"), "{text}");
}

#[tokio::test]
async fn accepts_what_clients_send() {
    let server = start(Options::default()).await;
    for (body, expected) in [
        (r#"{"runner_id":"r","scmId":"s"}"#, json!({"runnerId": "r", "scmId": "s"})),
        (r#"{"runnerId":null,"oauthClientId":null,"pat":null,"x":null,"host":"h"}"#, json!({"host": "h"})),
        (r#"{"oauthClientId":""}"#, json!({"oauthClientId": ""})),
        (r#"{"unknown":{"a":[{"b":null}]},"pat":true}"#, json!({"pat": true})),
        (r#" {"host" : "\u00e9\ud83d\ude00" } "#, json!({"host": "é😀"})),
        (r#"{"host":"null"}"#, json!({"host": "null"})),
    ] {
        assert_eq!(create(&server, body).await, expected, "{body}");
    }
    let answer = Call::connect("CreateSCMIntegration", "application/json; charset=UTF-8", "{}");
    assert_eq!(answer.send(server.address).await.status, 200);
}

#[tokio::test]
async fn accepts_every_spelling_of_enums_numbers_and_times() {
    let server = start(Options::default()).await;
    let method = "CreateHostAuthenticationToken";
    let canonical = json!("2024-12-31T23:59:59Z");
    for time in [
        "2024-12-31T23:59:59Z",
        "2024-12-31T23:59:59+00:00",
        "2025-01-01T01:59:59.000+02:00",
        "2024-12-31t23:59:59z",
    ] {
        let answer = post(&server, method, json!({"expiresAt": time}).to_string()).await;
        assert_eq!(answer.echoed()["expiresAt"], canonical, "{time}");
    }
    let source = |value: Value| json!({"source": value}).to_string();
    let name = post(&server, method, source(json!(1))).await.echoed()["source"].clone();
    assert!(name.is_string());
    assert_eq!(post(&server, method, source(name.clone())).await.echoed()["source"], name);
    for refused in [r#"{"expiresAt":"yesterday"}"#, r#"{"source":"NO_SUCH"}"#] {
        assert_eq!(post(&server, method, refused).await.connect().0, 400);
    }
    for size in ["3", "\"3\""] {
        let answer =
            post(&server, "ListSCMIntegrations", format!(r#"{{"pagination":{{"pageSize":{size}}}}}"#));
        assert_eq!(answer.await.json()["id"], "xxx");
    }
}

#[tokio::test]
async fn two_members_of_a_oneof_are_refused() {
    let server = start(Options::default()).await;
    let method = "ValidateRunnerConfiguration";
    let both = r#"{"environmentClass":{},"scmIntegration":{}}"#;
    assert_eq!(post(&server, method, both).await.connect().0, 400);
    let one = r#"{"environmentClass":null,"scmIntegration":{}}"#;
    assert_eq!(post(&server, method, one).await.echoed(), json!({"scmIntegration": {}}));
}

#[tokio::test]
async fn a56_base64_of_bytes() {
    let server = start(Options::default()).await;
    let call = |key: &str| post(&server, "BeginKeyRegistration", json!({"publicKey": key}).to_string());
    for key in ["+/+/+w==", "-_-_-w==", "+/+/+w", "-_-_-w"] {
        assert_eq!(call(key).await.echoed()["publicKey"], "+/+/+w==", "{key}");
    }
    for key in ["+/+/ +w==", "+/+/+w==\n", " ", "+/+*", "=", "A", "+/-_"] {
        assert_eq!(call(key).await.connect().0, 400, "{key:?}");
    }
}

#[tokio::test]
async fn the_same_answer_at_both_prefixes_over_every_protocol() {
    let server = start(Options::default()).await;
    for prefix in ["", "/api"] {
        let path = format!("{prefix}/grpc.health.v1.Health/Check");
        let answer = Call::connect(&path, JSON, "{}").send(server.address).await;
        assert_eq!(answer.json(), json!({"status": "SERVING"}));
        let answer = Call::connect(&path, "application/proto", "").http2().send(server.address).await;
        assert_eq!(&answer.body[..], b"\x08\x01");
        let answer = Call::grpc(&path, envelope(0, b"")).send(server.address).await;
        assert_eq!(&answer.body[..], envelope(0, b"\x08\x01"));
        let answer = Call::grpc(&path, envelope(0, b"{}")).header("content-type", "application/grpc+json");
        let answer = answer.send(server.address).await;
        assert_eq!(&answer.body[..], envelope(0, br#"{"status":"SERVING"}"#));
        let answer =
            Call::connect(&path, "application/grpc-web", envelope(0, b"")).send(server.address).await;
        assert_eq!(&answer.body[..7], envelope(0, b"\x08\x01"));
        assert_eq!(answer.web_status(), "0");
        let text = base64::engine::general_purpose::STANDARD.encode(envelope(0, b""));
        let answer = Call::connect(&path, "application/grpc-web-text", text).send(server.address).await;
        assert_eq!(&answer.body[..12], b"AAAAAAIIAQ==");
    }
}

#[tokio::test]
async fn connect_get_reads_its_query_and_post_hands_it_on() {
    let server = start(Options::default()).await;
    let get = async |query: &str| {
        let path = format!("/api/grpc.health.v1.Health/Check?{query}");
        Call::new(Method::GET, &path)
            .header("content-type", "application/x-www-form-urlencoded")
            .send(server.address)
            .await
    };
    let serving = json!({"status": "SERVING"});
    assert_eq!(get("connect=v1&encoding=json&message=%7B%7D").await.json(), serving);
    let padded = URL_SAFE.encode("{ }").replace('=', "%3D");
    assert_eq!(get(&format!("base64=1&encoding=json&message={padded}")).await.json(), serving);
    assert_eq!(get("base64=1&encoding=json&message=eyB9").await.json(), serving);
    let zipped = URL_SAFE.encode(gzip(b"{}"));
    let zipped = format!("base64=1&compression=gzip&encoding=json&message={zipped}");
    assert_eq!(
        get(&zipped.replace('=', "%3D").replace("%3D1", "=1").replace("%3D", "=")).await.json(),
        serving
    );
    assert_eq!(&get("encoding=proto&message=").await.body[..], b"\x08\x01");
    assert_eq!(get("encoding=json").await.connect().0, 400);
    assert_eq!(get("connect=v2&encoding=json&message=%7B%7D").await.connect().0, 400);
    assert_eq!(get("base64=1&encoding=json&message=**").await.connect().0, 400);
    assert_eq!(get("encoding=xml&message=").await.status, 415);
    let path = "/gitpod.v1.RunnerConfigurationService/ListSCMIntegrations?token=abc&pageSize=2";
    let answer = Call::connect(path, JSON, "{}").send(server.address).await;
    assert_eq!(answer.json()["id"], "token=abc&pageSize=2");
}

#[tokio::test]
async fn gzip_both_ways_where_it_pays() {
    let server = start(Options::default()).await;
    let body = |size: usize| gzip(json!({"pagination": {"pageSize": size}}).to_string().as_bytes());
    let list = |size: usize, accept: &str| {
        Call::connect("ListSCMIntegrations", JSON, body(size))
            .header("content-encoding", "gzip")
            .header("accept-encoding", accept)
            .send(server.address)
    };
    let zipped = list(5000, "identity;q=0.5, gzip").await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert!(zipped.body.len() < 200);
    for (size, accept) in [(10, "gzip"), (5000, "identity"), (5000, "gzip;q=0"), (5000, "br")] {
        let plain = list(size, accept).await;
        assert!(!plain.headers.contains_key("content-encoding"), "{size} {accept}");
        assert_eq!(plain.json()["id"].as_str().map(str::len), Some(size));
    }
    let message = gzip(b"\x0a\x03\x08\x88\x27");
    let answer = Call::grpc("ListSCMIntegrations", envelope(1, &message))
        .header("grpc-encoding", "gzip")
        .header("grpc-accept-encoding", "identity,gzip")
        .send(server.address)
        .await;
    assert_eq!((answer.headers["grpc-encoding"].as_bytes(), answer.body[0]), (&b"gzip"[..], 1));
}

#[tokio::test]
async fn reflection_lists_the_services_compressed_or_not() {
    let server = start(Options::default()).await;
    let list_services = b"\x3a\x00";
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        for message in [envelope(0, list_services), envelope(1, &gzip(list_services))] {
            let answer =
                Call::grpc(&path, message).header("grpc-encoding", "gzip").send(server.address).await;
            assert_eq!(answer.grpc().0, tonic::Code::Ok);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(text.contains("gitpod.v1.RunnerConfigurationService"), "{text}");
        }
        let json = Call::connect(&path, "application/connect+json", envelope(0, b"{}"));
        assert_eq!(json.send(server.address).await.status, 415, "its messages have no JSON");
    }
}
