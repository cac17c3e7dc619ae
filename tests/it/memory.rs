//! What is left of secrets in the memory of the server once it has sealed them.
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    time::Duration,
};

use prost::Message;
use sealink::pb::gitpod::v1::UpdateScmIntegrationRequest;
use serde_json::json;

use crate::{
    process::Process,
    support::{Actor, new_id},
    transport::{Call, envelope, gzip},
};

const UPDATE: &str = "/gitpod.v1.RunnerConfigurationService/UpdateSCMIntegration";

/// How often each needle is in the readable memory of a process.
fn copies(process: u32, needles: &[String]) -> Vec<usize> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("the map of its memory");
    let memory = File::open(format!("/proc/{process}/mem")).expect("its memory");
    let mut found = vec![0; needles.len()];
    let mut scanned = 0;
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').expect("a range");
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').expect("two addresses");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let mut bytes = vec![0; usize::try_from(address(end) - address(start)).expect("a size")];
        // Guard pages and the like cannot be read by anybody.
        if memory.read_exact_at(&mut bytes, address(start)).is_err() {
            continue;
        }
        scanned += bytes.len();
        for (count, needle) in found.iter_mut().zip(needles) {
            *count += memchr::memmem::find_iter(&bytes, needle).count();
        }
    }
    assert!(scanned > 1 << 20, "only {scanned} bytes could be read");
    found
}

/// Sends a secret over one of the protocols.
async fn send(process: &Process, admin: &Actor, id: &str, secret: &str, at: usize) {
    let request = UpdateScmIntegrationRequest {
        id: id.to_owned(),
        oauth_plaintext_client_secret: Some(secret.to_owned()),
        ..UpdateScmIntegrationRequest::default()
    };
    let proto = request.encode_to_vec();
    let call = match at % 5 {
        0 => Call::connect(UPDATE, "application/json", serde_json::to_vec(&request).expect("JSON")),
        1 => Call::connect(UPDATE, "application/proto", proto),
        2 => Call::connect(UPDATE, "application/proto", gzip(&proto))
            .header("content-encoding", "gzip")
            .http2(),
        3 => Call::grpc(UPDATE, envelope(0, &proto)),
        _ => Call::connect(UPDATE, "application/grpc-web+proto", envelope(0, &proto)),
    };
    let bearer = format!("Bearer {}", admin.token.as_deref().expect("a token"));
    let answer = call.header("authorization", &bearer).send(process.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    match at % 5 {
        3 => assert_eq!(answer.grpc().0, tonic::Code::Ok, "{answer:?}"),
        4 => assert_eq!(answer.web_status(), "0", "{answer:?}"),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(test_as_root), ignore = "needs root: the server's memory is closed to others")]
async fn twenty_secrets_leave_nothing_in_memory() {
    let token = "memory-admin-2f0c5a1be94d7738a0ff";
    let process = Process::start(token);
    let admin = process.bearer(token);
    let agent = admin.register().await;
    let visible = "found-in-memory.example.com";
    let id = admin.integrate(&agent.runner, &json!({ "host": visible })).await;
    let secrets: Vec<_> = (0..20).map(|at| format!("canary-{at:02}-{}", new_id().simple())).collect();
    for (at, secret) in secrets.iter().enumerate() {
        send(&process, &admin, &id, secret, at).await;
        assert_eq!(agent.opened(&id).await, *secret);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let found = copies(process.id(), &secrets);
    assert_eq!(found.iter().sum::<usize>(), 0, "copies of each secret: {found:?}");
    // The scan sees what is there: the token it started with is in its environment.
    assert!(copies(process.id(), &[token.to_owned()])[0] > 0);
}
