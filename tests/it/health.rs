//! `grpc.health.v1.Health` knows what is served.
use prost::Message;
use sealink::pb;
use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn every_service_that_is_served_is_known() {
    let files = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).expect("descriptors").file;
    let named = files.iter().flat_map(|file| {
        file.service.iter().map(move |service| format!("{}.{}", file.package(), service.name()))
    });
    // Health answers for itself by answering; gateways are described, but not what Sealink is about.
    let known: Vec<_> =
        named.filter(|name| !name.ends_with(".Health") && !name.ends_with(".GatewayService")).collect();
    assert!(known.len() >= 10, "{known:?}");

    let server = TestServer::start().await;
    let nobody = server.nobody();
    for service in known.iter().map(String::as_str).chain([""]) {
        let answer = nobody.call("Health/Check", &json!({ "service": service })).await;
        assert_eq!(answer.ok()["status"], "SERVING", "{service}");
    }
    let unknown = nobody.call("Health/Check", &json!({ "service": "gitpod.v1.GatewayService" })).await;
    assert_eq!(unknown.code(), "NOT_FOUND");
    server.stop().await;
}
