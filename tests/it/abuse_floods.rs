//! Floods on one connection, and more connections than there may be: everybody else is served all the while.
use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::{Instant, sleep, timeout},
};

use crate::{
    process::Process,
    transport::{Call, envelope},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
/// Of stream 1, and not its last.
const EMPTY_DATA: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 1];
const CHECK: &str = "/grpc.health.v1.Health/Check";
const ADMIN: &str = "floods-admin-2f0c5a1be94d7738a0ff00";
const MIB: u64 = 1 << 20;
/// Longer than anything here takes.
const NEVER: Duration = Duration::from_secs(20);

/// HEADERS of a call whose messages are still to come.
fn open_call() -> Vec<u8> {
    // `:method: POST`, `:scheme: http`, then literal fields that are not indexed, names in the static table or spelled.
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(CHECK.len()).expect("short")];
    block.extend_from_slice(CHECK.as_bytes());
    block.extend_from_slice(&[0x41, 1, b'a', 0x0f, 16, 16]);
    block.extend_from_slice(b"application/grpc");
    let length = u8::try_from(block.len()).expect("short");
    [&[0, 0, length, 1, 4, 0, 0, 0, 1][..], &block].concat()
}

async fn open(to: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.expect("connect");
    stream.write_all(&[PREFACE, SETTINGS, SETTINGS_ACK, first].concat()).await.expect("send");
    stream
}

async fn is_served(to: SocketAddr) {
    let answer = timeout(NEVER, Call::grpc(CHECK, envelope(0, b"")).send(to)).await.expect("an answer");
    assert_eq!(answer.grpc().0, tonic::Code::Ok);
}

/// Whoever comes anew once the crowd has left is served soon, however full the queue before the server still is.
async fn is_back(to: SocketAddr) {
    let left = Instant::now();
    let attempt = || timeout(Duration::from_millis(500), Call::grpc(CHECK, envelope(0, b"")).send(to));
    let answer = loop {
        if let Ok(answer) = attempt().await {
            break answer;
        }
    };
    assert_eq!(answer.grpc().0, tonic::Code::Ok);
    let after = left.elapsed();
    assert!(after < Duration::from_secs(2), "back after {after:?}");
}

/// The code of the GOAWAY that the server says, if it says one before it closes.
async fn goaway(mut reader: OwnedReadHalf) -> Option<u8> {
    let mut bytes = Vec::new();
    drop(timeout(NEVER, reader.read_to_end(&mut bytes)).await);
    let mut rest = bytes.as_slice();
    while let Some((header, body)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if header[3] == 7 {
            return body.get(7).copied();
        }
        rest = body.get(length..)?;
    }
    None
}

/// The six slow shapes: what each sends at once, and then one byte at a time.
fn slow_shapes() -> [(Vec<u8>, &'static [u8]); 6] {
    let post = format!(
        "POST {CHECK} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
    );
    [
        (Vec::new(), b""),
        (b"GET / HTTP/1.1\r\nhost".to_vec(), b""),
        (b"GET / HTTP/1.1\r\n".to_vec(), b"x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (post.into_bytes(), b"                                "),
        (PREFACE[..10].to_vec(), b""),
        ([PREFACE, SETTINGS].concat(), b""),
    ]
}

/// Stays as long as the server lets it: how long that is.
async fn dawdle(to: SocketAddr, (first, drip): (Vec<u8>, &'static [u8])) -> Duration {
    let began = Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(to).await.expect("connect").into_split();
    writer.write_all(&first).await.expect("send");
    let dripping = tokio::spawn(async move {
        for byte in drip.chunks(1) {
            sleep(Duration::from_millis(500)).await;
            if writer.write_all(byte).await.is_err() {
                break;
            }
        }
        // Dropped, it would be the client that closes.
        sleep(NEVER).await;
    });
    let mut sink = Vec::new();
    drop(reader.read_to_end(&mut sink).await);
    dripping.abort();
    began.elapsed()
}

/// The 99th percentile and the slowest of calls one after the other.
async fn latency(to: SocketAddr, calls: usize) -> (Duration, Duration) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let mut all = Vec::new();
    for _ in 0..calls {
        let began = Instant::now();
        let call = http.post(format!("http://{to}{CHECK}")).header("content-type", "application/json");
        assert_eq!(call.body("{}").send().await.expect("an answer").status(), 200);
        all.push(began.elapsed());
    }
    all.sort();
    (all[calls * 99 / 100], all[calls - 1])
}

/// With the limits that everybody has: they are closed in time, and nobody waits behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a52_others_are_served_beside_the_slow() {
    let process = Process::start_quietly(ADMIN, &[]);
    let (before, _) = latency(process.address, 500).await;
    let slow = (0..40).flat_map(|_| slow_shapes()).map(|shape| tokio::spawn(dawdle(process.address, shape)));
    let slow: Vec<_> = slow.collect();
    sleep(Duration::from_millis(500)).await;
    let (beside, slowest) = latency(process.address, 500).await;
    println!("p99 {before:?} alone, {beside:?} beside {} slow connections", slow.len());
    // Whoever waited for one of them would wait for seconds.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    for stayed in join_all(slow).await {
        let stayed = stayed.expect("no panic");
        // For a body two thirds of 10 s, then the answer, then 2 s for whoever is still sending to read it.
        assert!(stayed < Duration::from_secs(10), "one stayed {stayed:?}");
    }
}

#[tokio::test]
async fn a53_empty_data_ends_the_connection() {
    let process = Process::start_quietly(ADMIN, &[]);
    let (reader, mut writer) = open(process.address, &open_call()).await.into_split();
    let said = tokio::spawn(goaway(reader));
    // A thousand, and the connection is gone: it need not take them all.
    for _ in 0..1_000 {
        if writer.write_all(EMPTY_DATA).await.is_err() {
            break;
        }
    }
    assert_eq!(said.await.expect("no panic"), Some(11), "ENHANCE_YOUR_CALM");
    is_served(process.address).await;
}

/// PING and SETTINGS must be answered: a client that sends floods of them, and even one that reads no answer, makes
/// the server hold no more, and nobody else wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a53_floods_that_are_answered_take_no_memory() {
    let process = Process::start_quietly(ADMIN, &[]);
    is_served(process.address).await;
    let before = process.resident();
    for frame in [PING, SETTINGS] {
        let many = frame.repeat(1_000);
        for reads in [true, false] {
            let (mut reader, mut writer) = open(process.address, b"").await.into_split();
            let reading = reads.then(|| {
                tokio::spawn(async move {
                    let mut sink = vec![0; 1 << 16];
                    while reader.read(&mut sink).await.is_ok_and(|read| read > 0) {}
                })
            });
            let flood = async {
                for _ in 0..50 {
                    writer.write_all(&many).await?;
                }
                std::io::Result::Ok(())
            };
            // Who reads nothing is not read from either, sooner or later.
            drop(timeout(Duration::from_secs(3), flood).await);
            is_served(process.address).await;
            drop(writer);
            if let Some(reading) = reading {
                reading.abort();
            }
        }
    }
    let grown = process.peak().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes more");
}

/// How much of the next second the server is busy.
async fn load(process: &Process) -> f64 {
    let (worked, began) = (process.worked(), Instant::now());
    sleep(Duration::from_secs(1)).await;
    process.worked().saturating_sub(worked).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// Opens this many connections that say nothing; those beyond the server's queue may never be accepted.
async fn idle(to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let opened = (0..count).map(|_| timeout(Duration::from_millis(500), TcpStream::connect(to)));
    join_all(opened).await.into_iter().filter_map(|opened| opened.ok()?.ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a54_ten_thousand_idle_connections_cost_little() {
    let process = Process::start_quietly(ADMIN, &[]);
    is_served(process.address).await;
    let before = process.resident();
    let mut all = Vec::new();
    for _ in 0..10 {
        all.extend(idle(process.address, 1_000).await);
    }
    assert!(all.len() > 1_024, "only {} connections", all.len());
    let busy = load(&process).await;
    assert!(busy < 0.3, "busy with nothing: {busy}");
    let grown = process.peak().saturating_sub(before);
    assert!(grown < 24 * MIB, "{grown} bytes for {} connections", all.len());
    drop(all);
    is_back(process.address).await;
}

/// Without descriptors `accept` fails at once, and must not be asked as fast as the processor can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a54_out_of_descriptors_waits_without_spinning() {
    let process = Process::start_with_descriptors(ADMIN, 64);
    is_served(process.address).await;
    let all = idle(process.address, 200).await;
    let busy = load(&process).await;
    assert!(busy < 0.3, "busy with nothing: {busy}");
    let log = std::fs::read_to_string(process.path("stderr")).expect("readable");
    assert!(log.contains("accept failed"), "there were descriptors for all: {log}");
    drop(all);
    is_back(process.address).await;
}
