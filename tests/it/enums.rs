//! Numbers of enums that have no name, and integers in every spelling: the same in JSON and in protobuf.
use prost::Message;
use sealink::{api::rules::Rpc, pb::gitpod::v1 as gitpod};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    support::{Actor, Answer, TestServer},
    transport::{Call, envelope},
};

/// The same request in both encodings, refused twice in the same words and with the same details.
async fn refused<R: Rpc + Message>(actor: &Actor, request: &R, json: &Value) -> Answer {
    let method = R::PATH.strip_prefix("/gitpod.v1.").expect("a public method");
    let from_json = actor.call(method, json).await;
    let from_proto = actor.proto::<R, ()>(request).await.expect_err("a refusal");
    assert_eq!(from_json.visible(), from_proto.visible(), "{json}");
    from_json
}

#[tokio::test]
async fn a3_an_enum_number_without_a_name_breaks_a_rule_of_its_field() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let create = gitpod::CreateRunnerRequest { name: "abc".into(), kind: 99, ..Default::default() };
    for number in ["99", "99.0", "9.9e1"] {
        let number: Value = serde_json::from_str(number).expect("a number");
        refused(&admin, &create, &json!({ "name": "abc", "kind": number })).await.blames("kind");
    }
    let filter = gitpod::list_runners_request::Filter { kinds: vec![1, -1], ..Default::default() };
    let list = gitpod::ListRunnersRequest { filter: Some(filter), ..Default::default() };
    refused(&admin, &list, &json!({ "filter": { "kinds": [1, -1] } })).await.blames("filter.kinds[1]");

    let token = format!("Bearer {}", admin.token.as_deref().expect("a token"));
    let call = Call::grpc(gitpod::CreateRunnerRequest::PATH, envelope(0, &create.encode_to_vec()));
    let answer = call.header("authorization", &token).send(server.address).await;
    assert_eq!(answer.grpc().0, Code::InvalidArgument);
    assert!(answer.grpc().1.contains("kind: "), "{answer:?}");
}

/// Names that are unknown, and numbers that are none, are no messages at all.
#[tokio::test]
async fn a3_an_unknown_enum_name_is_no_message() {
    let server = TestServer::start().await;
    for kind in [json!("RUNNER_KIND_NEW"), json!(1.5), json!(2_147_483_648_u64), json!(true), json!("2")] {
        let body = json!({ "name": "abc", "kind": kind });
        let answer = server.admin().call("RunnerService/CreateRunner", &body).await;
        answer.refused(400, "invalid_argument", "invalid JSON message at line 1 column ");
        assert!(answer.fields().is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn integers_are_read_in_every_spelling() {
    let server = TestServer::start().await;
    let admin = server.admin();
    for size in ["1", "1.0", "1e0", "10e-1", "\"1\"", "\"1.0\"", "\"1e0\""] {
        let body = format!(r#"{{"pagination":{{"pageSize":{size}}}}}"#);
        admin.raw("UserService/ListUsers", "application/json", body).await.ok();
    }
    for size in ["1.5", "\"1.5\"", "1e10", "\"one\"", "\" 1\"", "\"\""] {
        let body = format!(r#"{{"pagination":{{"pageSize":{size}}}}}"#);
        let answer = admin.raw("UserService/ListUsers", "application/json", body).await;
        answer.refused(400, "invalid_argument", "invalid JSON message");
    }
    let body = json!({ "pagination": { "pageSize": 101.0 } });
    admin.call("UserService/ListUsers", &body).await.blames("pagination.page_size");
}
