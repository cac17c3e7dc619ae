//! A6: what is small on the wire and large when unpacked.
use std::io::Read as _;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use flate2::{Compression, write::GzEncoder};
use http::Method;

use crate::{
    process::Process,
    transport::{Call, envelope, gzip, rpc_error},
};

const CREATE: &str = "CreateSCMIntegration";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// One gzip member of this many zeros, a thousandth of them long.
fn zeros(bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let bytes = u64::try_from(bytes).expect("64 bits");
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut encoder).expect("in memory");
    encoder.finish().expect("in memory")
}

/// The message, which must be compressed with gzip, over every protocol that takes one of its size.
fn over_every_protocol(message: &[u8]) -> Vec<Call> {
    let envelope = envelope(1, message);
    let unary = |kind: &str| Call::connect(CREATE, kind, message.to_vec()).header("content-encoding", "gzip");
    let web = |kind: &str, body: Vec<u8>| Call::connect(CREATE, kind, body).header("grpc-encoding", "gzip");
    let stream = |kind: &str| {
        Call::connect("Watch", kind, envelope.clone()).header("connect-content-encoding", "gzip")
    };
    let mut calls = vec![
        Call::grpc(CREATE, envelope.clone()).header("grpc-encoding", "gzip"),
        Call::grpc("Watch", envelope.clone()).header("grpc-encoding", "gzip"),
        web("application/grpc-web+proto", envelope.clone()),
        web("application/grpc-web-text", STANDARD.encode(&envelope).into_bytes()),
        unary("application/proto"),
        unary("application/json"),
        unary("application/json").http2(),
        stream("application/connect+proto"),
        stream("application/connect+json").http2(),
    ];
    // In a query there is room for 16 KiB.
    if message.len() < 11 * KIB {
        let message = URL_SAFE.encode(message).replace('=', "%3D");
        let path = format!("{CHECK}?base64=1&compression=gzip&encoding=proto&message={message}");
        calls.push(Call::new(Method::GET, &path));
    }
    calls
}

/// Sends each bomb over every protocol; how much more memory than before the server ever held.
async fn growth(process: &Process, bombs: &[&[u8]]) -> u64 {
    // What the first call of each kind brings into memory is not the bomb's.
    for call in over_every_protocol(&gzip(b"\xff")) {
        call.send(process.address).await;
    }
    let before = process.resident();
    for bomb in bombs {
        for call in over_every_protocol(bomb) {
            let code = rpc_error(&call.clone().send(process.address).await);
            let refused = ["8", "429 resource_exhausted", "resource_exhausted"].contains(&code.as_str());
            assert!(refused, "{code} for {} bytes", bomb.len());
        }
    }
    process.peak().saturating_sub(before)
}

#[tokio::test]
async fn a6_gzip_bombs_stay_small() {
    // What a query takes; the most that passes the limit before it is unpacked; what a forge would never send.
    let (query, message) = (zeros(10 * MIB), zeros(63 * MIB));
    assert!(message.len() <= 64 * KIB && message.len() > 60 * KIB, "{}", message.len());
    let gibibyte = zeros(MIB).repeat(1024);
    assert!((MIB..2 * MIB).contains(&gibibyte.len()), "{}", gibibyte.len());
    let bombs = [query.as_slice(), &message, &gibibyte];

    let process = Process::start_quietly("bombs-admin-2f0c5a1be94d7738a0ff0", &[]);
    let grown = growth(&process, &bombs).await;
    assert!(grown < 8 << 20, "{grown} bytes more with the limit of 64 KiB");

    // With the highest limit there is, all of the gibibyte's own bytes are read, and counted as far as the limit.
    let limit = [("SEALINK_LIMITS_MESSAGE_BYTES", "4194304")];
    let process = Process::start_quietly("bombs-admin-2f0c5a1be94d7738a0ff0", &limit);
    let grown = growth(&process, &bombs).await;
    // The longest is 2 MiB of base64, which buffers of doubling size hold, and then decoded once more.
    assert!(grown < 12 << 20, "{grown} bytes more with the limit of 4 MiB");
}
