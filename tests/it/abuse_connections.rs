//! Hostile connections: headers, slowness, floods. The numbers are those of the list of abuse cases.
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use sealink::{listener::Limits, rpc::Config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::transport::{Call, Options, Server, envelope, start};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
const CHECK: &str = "/grpc.health.v1.Health/Check";
const SHORT: Duration = Duration::from_millis(200);
/// Long enough that only a connection that nobody closes reaches it.
const NEVER: Duration = Duration::from_secs(5);

async fn impatient() -> Server {
    let limits = Limits {
        handshake: SHORT,
        header: SHORT,
        keep_alive_interval: SHORT,
        keep_alive_timeout: SHORT,
        ..Limits::default()
    };
    let config = Config { body_idle: SHORT, total: 3 * SHORT, ..Config::default() };
    start(Options { config, limits, ..Options::default() }).await
}

/// Sends and reads until the server closes; the bytes, or `None` if it does not.
async fn talk(to: SocketAddr, send: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await.expect("connect");
    stream.write_all(send).await.expect("send");
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match timeout(NEVER, stream.read(&mut chunk)).await {
            Err(_) => return None,
            Ok(Ok(0) | Err(_)) => return Some(bytes),
            Ok(Ok(read)) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

fn status_of(answer: &[u8]) -> &str {
    std::str::from_utf8(answer.get(9..12).unwrap_or_default()).unwrap_or_default()
}

/// Types of HTTP/2 frames, each with its payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((header, body)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let length = length.min(body.len());
        frames.push((header[3], body[..length].to_vec()));
        bytes = &body[length..];
    }
    frames
}

/// A HEADERS frame (and CONTINUATIONs) of literal fields that are not indexed.
fn header_block(fields: &[(&str, String)]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x84, 0x41, 1, b'a'];
    for (name, value) in fields {
        block.push(0);
        for text in [*name, value.as_str()] {
            match u8::try_from(text.len()) {
                Ok(length) if length < 127 => block.push(length),
                _ => {
                    block.push(127);
                    let mut left = text.len() - 127;
                    while left >= 128 {
                        block.push(u8::try_from(left % 128).expect("7 bits") | 128);
                        left /= 128;
                    }
                    block.push(u8::try_from(left).expect("7 bits"));
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut out = Vec::new();
    let chunks: Vec<_> = block.chunks(16_000).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        let last = if index + 1 == chunks.len() { 4 } else { 0 };
        let (kind, flags) = if index == 0 { (1, last | 1) } else { (9, last) };
        out.extend_from_slice(&u32::try_from(chunk.len()).expect("small").to_be_bytes()[1..]);
        out.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        out.extend_from_slice(chunk);
    }
    out
}

async fn http2(to: SocketAddr, fields: &[(&str, String)]) -> Vec<(u8, Vec<u8>)> {
    let mut stream = TcpStream::connect(to).await.expect("connect");
    let bytes = [PREFACE, SETTINGS, SETTINGS_ACK, &header_block(fields)].concat();
    stream.write_all(&bytes).await.expect("send");
    frames(&rest(&mut stream).await.expect("closed in the end"))
}

#[tokio::test]
async fn a51_headers_have_limits_on_http1() {
    let server = start(Options::default()).await;
    let get =
        |headers: String| format!("GET /livez HTTP/1.1\r\nhost: a\r\n{headers}connection: close\r\n\r\n");
    let many = "x: 1\r\n".repeat(1000);
    for (headers, status) in [
        (String::new(), "200"),
        (format!("x: {}\r\n", "a".repeat(10 << 10)), "200"),
        (format!("x: {}\r\n", "a".repeat(20 << 10)), "431"),
        (format!("x: {}\r\n", "a".repeat(100 << 10)), "431"),
        (many, "431"),
    ] {
        let length = headers.len();
        let mut stream = TcpStream::connect(server.address).await.expect("connect");
        // The server may close before it has read everything.
        drop(stream.write_all(get(headers).as_bytes()).await);
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(status_of(&answer), status, "{length} bytes");
    }
}

#[tokio::test]
async fn a51_headers_have_limits_on_http2() {
    let server = impatient().await;
    let answer =
        |frames: Vec<(u8, Vec<u8>)>| frames.into_iter().find(|(kind, _)| *kind == 1).expect("HEADERS").1;
    // The literal `:status`, its name in the static table, its digits Huffman-coded (RFC 7541).
    let too_large = [0x48, 0x83, 0x69, 0x90, 0xff];
    let large = http2(server.address, &[("x", "a".repeat(20 << 10))]).await;
    assert!(answer(large).starts_with(&too_large));
    let many: Vec<_> = (0..1000).map(|_| ("x", "1".to_owned())).collect();
    let many = http2(server.address, &many).await;
    assert!(answer(many).starts_with(&too_large));
    let huge = http2(server.address, &[("x", "a".repeat(100 << 10))]).await;
    let (_, goaway) = huge.iter().find(|(kind, _)| *kind == 7).expect("GOAWAY");
    assert_eq!(goaway[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
}

#[tokio::test]
async fn a52_the_six_slow_shapes_are_closed() {
    let server = impatient().await;
    let to = server.address;
    let post = format!(
        "POST {CHECK} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n"
    );
    let silent = [PREFACE, SETTINGS].concat();
    let acknowledged = [PREFACE, SETTINGS, SETTINGS_ACK].concat();
    let slow_body = format!("{post}{{");
    let shapes: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("partial header", b"GET / HTTP/1.1\r\nhost"),
        ("partial preface", &PREFACE[..10]),
        ("silent HTTP/2", &silent),
        ("silent HTTP/2 that acknowledges", &acknowledged),
        ("slow body", slow_body.as_bytes()),
    ];
    for (name, bytes) in shapes {
        let began = Instant::now();
        let answer = talk(to, bytes).await;
        assert!(answer.is_some(), "{name} stays open");
        assert!(began.elapsed() < NEVER / 2, "{name}");
        if name == "slow body" {
            assert_eq!(status_of(&answer.expect("an answer")), "504");
        }
    }
    assert_eq!(Call::grpc(CHECK, envelope(0, b"")).send(to).await.grpc().0, tonic::Code::Ok);
}

#[tokio::test]
async fn a52_dripping_does_not_help() {
    let server = impatient().await;
    let header =
        "GET /livez HTTP/1.1\r\nhost: a\r\nx: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let post = format!(
        "POST {CHECK} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
    );
    for (first, drip) in
        [("", header), (post.as_str(), "                                                          ")]
    {
        let mut stream = TcpStream::connect(server.address).await.expect("connect");
        stream.write_all(first.as_bytes()).await.expect("send");
        let (mut reader, mut writer) = stream.split();
        let dripping = async {
            for byte in drip.bytes() {
                if writer.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(SHORT / 4).await;
            }
        };
        let mut all = Vec::new();
        let closed = async { reader.read_to_end(&mut all).await };
        tokio::select! {
            _ = closed => {}
            () = dripping => panic!("still open after all of it"),
        }
    }
}

#[tokio::test]
async fn a53_rapid_resets_end_the_connection() {
    let server = start(Options::default()).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream.write_all(&[PREFACE, SETTINGS, SETTINGS_ACK].concat()).await.expect("send");
    let (mut reader, mut writer) = stream.into_split();
    let answers = tokio::spawn(async move {
        let mut bytes = Vec::new();
        // How the connection ends does not matter, what it said before does.
        drop(timeout(NEVER, reader.read_to_end(&mut bytes)).await);
        frames(&bytes)
    });
    for stream_id in (1..2000_u32).step_by(2) {
        let mut pair = header_block(&[]);
        pair[5..9].copy_from_slice(&stream_id.to_be_bytes());
        pair.extend_from_slice(&[0, 0, 4, 3, 0]);
        pair.extend_from_slice(&stream_id.to_be_bytes());
        pair.extend_from_slice(&[0, 0, 0, 8]);
        if writer.write_all(&pair).await.is_err() {
            break;
        }
    }
    let answers = answers.await.expect("no panic");
    let (_, goaway) = answers.iter().find(|(kind, _)| *kind == 7).expect("GOAWAY");
    assert_eq!(goaway[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
    assert_eq!(Call::grpc(CHECK, envelope(0, b"")).send(server.address).await.grpc().0, tonic::Code::Ok);
}

#[tokio::test]
async fn a54_connections_beyond_the_cap_wait_for_a_place() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let server = start(Options { limits, ..Options::default() }).await;
    let first = TcpStream::connect(server.address).await.expect("connect");
    let second = TcpStream::connect(server.address).await.expect("connect");
    sleep(SHORT).await;
    let third = tokio::spawn(Call::connect(CHECK, "application/json", "{}").send(server.address));
    sleep(SHORT).await;
    assert!(!third.is_finished());
    drop(first);
    let answer = timeout(NEVER, third).await.expect("within time").expect("no panic");
    assert_eq!(answer.status, 200);
    drop(second);
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_refuses_new_ones() {
    let config = Config { total: 2 * SHORT, ..Config::default() };
    let server = start(Options { config, ..Options::default() }).await;
    let to = server.address;
    let slow = Call::connect("CreateSCMIntegration", "application/json", r#"{"scmId":"slow"}"#);
    let running = tokio::spawn(slow.http2().send(to));
    sleep(SHORT).await;
    server.stop().await;
    assert_eq!(running.await.expect("no panic").status, 504);
    assert!(TcpStream::connect(to).await.is_err());
}

#[tokio::test]
async fn a_shutdown_cuts_what_does_not_end() {
    let limits = Limits { drain: SHORT, ..Limits::default() };
    let server = start(Options { limits, ..Options::default() }).await;
    let mut stuck = TcpStream::connect(server.address).await.expect("connect");
    stuck.write_all(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await.expect("send");
    sleep(SHORT).await;
    timeout(NEVER, server.stop()).await.expect("in time");
}

#[tokio::test]
async fn readiness_is_told_over_http() {
    let server = start(Options::default()).await;
    let get =
        async |path: &str| Call::new(http::Method::GET, path).send(server.address).await.status.as_u16();
    assert_eq!((get("/livez").await, get("/readyz").await), (200, 200));
    server.health.set(sealink::api::health::Readiness::NotReady);
    assert_eq!((get("/livez").await, get("/readyz").await), (200, 503));
    let answer =
        Call::connect(CHECK, "application/json", r#"{"service":"nobody"}"#).send(server.address).await;
    assert_eq!(answer.connect().0, 404);
    let answer = Call::connect(CHECK, "application/json", "{}").send(server.address).await;
    assert_eq!(answer.json(), serde_json::json!({"status": "NOT_SERVING"}));
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = start(Options::default()).await;
    let call = |id: &str| {
        Call::connect(CHECK, "application/json", "{}").header("x-request-id", id).send(server.address)
    };
    assert_eq!(call("mine-1").await.headers["x-request-id"], "mine-1");
    for odd in ["a b", &"a".repeat(65)] {
        assert_ne!(call(odd).await.headers["x-request-id"], odd);
    }
}
