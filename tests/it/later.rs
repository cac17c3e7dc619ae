//! RPCs that come later: who has no token learns nothing, everybody else that they are not served yet.
use sealink::pb;
use toml::Table;

use crate::{
    support::TestServer,
    transport::{Call, envelope, rpc_error},
};

/// The paths of unary methods that an administrator is told to be unimplemented.
fn later() -> Vec<String> {
    let known = sealink::rpc::Methods::default().with(pb::DESCRIPTORS, true).expect("descriptors");
    let matrix: Table = include_str!("matrix.toml").parse().expect("TOML");
    let services = matrix.iter().filter_map(|(service, rows)| Some((service, rows.as_table()?)));
    let rows =
        services.flat_map(|(service, rows)| rows.iter().map(move |(method, cells)| (service, method, cells)));
    let later = rows.filter(|(_, _, cells)| cells[0].as_str() == Some("UNIMPLEMENTED"));
    let paths = later.map(|(service, method, _)| format!("/{service}/{method}"));
    paths
        .filter(|path| known.get(path).is_some_and(|method| method.kind == sealink::rpc::Kind::Unary))
        .collect()
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_unimplemented_too() {
    let server = TestServer::start().await;
    let bearer = format!("Bearer {}", server.admin().token.expect("a token"));
    let later = later();
    assert!(!later.is_empty());
    for path in later {
        for (call, unimplemented, nobody) in [
            (Call::connect(&path, "application/json", "{"), "501 unimplemented", "401 unauthenticated"),
            (Call::connect(&path, "application/json", "[1]"), "501 unimplemented", "401 unauthenticated"),
            (Call::connect(&path, "application/json", "{}"), "501 unimplemented", "401 unauthenticated"),
            (Call::connect(&path, "application/proto", "\x0a"), "501 unimplemented", "401 unauthenticated"),
            (Call::grpc(&path, envelope(0, b"\x0a")), "12", "16"),
        ] {
            let answer = call.clone().header("authorization", &bearer).send(server.address).await;
            assert_eq!(rpc_error(&answer), unimplemented, "{path}: {answer:?}");
            assert_eq!(rpc_error(&call.send(server.address).await), nobody, "{path}");
        }
    }
}
