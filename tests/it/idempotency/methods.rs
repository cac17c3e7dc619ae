//! Which methods take keys.
use std::collections::BTreeSet;

use prost::Message;
use sealink::domain::idempotency::{METHODS, Policy};
use serde_json::json;

use super::{FIELD, id_of, integration, kept, runner, send, user};
use crate::{
    source::sources,
    support::{Agent, TestServer, on_both_stores},
};

/// What the paths of the REST API begin with; its creates are repeated in `rest.rs`.
const REST: &str = "/v1/";

async fn a32_methods_that_answer_only_a_token_refuse(server: &TestServer) {
    let admin = server.admin();
    let (id, exchange) = admin.create_runner().await;
    let before = server.database().count("SELECT count(*) FROM token").await;
    let mut refused = 0;
    for (path, policy) in METHODS.iter().copied() {
        let Policy::Refused(reason) = policy else { continue };
        let body = match path.rsplit('/').next().expect("a method") {
            "CreateRunnerToken" | "CreateRunnerLogsToken" => json!({ "runnerId": id }),
            "ExchangeToken" => json!({ "exchangeToken": exchange }),
            _ => json!({}),
        };
        send(&admin, path, "key", body).await.blames(FIELD).refused(400, "invalid_argument", reason);
        refused += 1;
    }
    assert_eq!(refused, 4);
    assert_eq!(server.database().count("SELECT count(*) FROM token").await, before);
    Agent::sign_in(&admin, &id, &exchange).await;
}

/// Every method that makes something, as long as it is served, answers a repeat with the same thing. Keys of what
/// belongs to a runner name it, for they go with it.
async fn every_create_answers_its_repeat(server: &TestServer) {
    const OF_RUNNERS: &str = "SELECT count(*) FROM idempotency WHERE runner_id IS NOT NULL";
    let admin = server.admin();
    let agent = admin.register().await;
    let me = admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
    let group = admin.create_group("first").await;
    let subject = json!({ "id": me["subject"]["id"], "principal": "PRINCIPAL_USER" });
    for (path, policy) in METHODS.iter().copied() {
        if policy != Policy::Once || path.starts_with(REST) {
            continue;
        }
        let method = path.rsplit('/').next().expect("a method");
        let body = match method {
            "CreateSCMIntegration" => integration(&agent.runner, "one.example.com"),
            "CreateRunner" => runner("one"),
            "CreateUser" => user("ada"),
            "CreateServiceAccount" => json!({ "name": "builder", "role": "ORGANIZATION_ROLE_MEMBER" }),
            "CreateGroup" => json!({ "organizationId": me["organizationId"], "name": "people" }),
            "CreateMembership" => json!({ "groupId": group, "subject": subject }),
            "CreateRunnerPolicy" => {
                json!({ "runnerId": agent.runner, "groupId": group, "role": "RUNNER_ROLE_USER" })
            }
            "CreateEnvironmentClass" => {
                json!({ "runnerId": agent.runner, "displayName": "Large", "description": "eight cores" })
            }
            "CreateHostAuthenticationToken" => json!({
                "runnerId": agent.runner, "host": "github.com", "token": "token_value",
                "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT",
            }),
            "CreateLLMIntegration" => json!({
                "runnerId": agent.runner, "models": ["SUPPORTED_MODEL_SONNET_4_5"], "apiKey": "api_key",
            }),
            _ => {
                let answer = send(&admin, path, "every", json!({})).await;
                assert_eq!(answer.code(), "UNIMPLEMENTED", "{path} is served: it needs a request here");
                continue;
            }
        };
        let before = (kept(server).await, server.database().count(OF_RUNNERS).await);
        let first = id_of(&send(&admin, path, "every", &body).await);
        assert_eq!(id_of(&send(&admin, path, "every", &body).await), first, "{path}");
        let of_runner = method == "CreateRunner" || body.get("runnerId").is_some();
        assert_eq!(kept(server).await, before.0 + 1, "{path}");
        assert_eq!(server.database().count(OF_RUNNERS).await, before.1 + i64::from(of_runner), "{path}");
    }
}

on_both_stores!(a32_methods_that_answer_only_a_token_refuse, every_create_answers_its_repeat);

/// A method that makes something and is not in the table would take keys for granted and make it twice.
#[test]
fn every_method_that_makes_something_has_its_line() {
    let files = prost_types::FileDescriptorSet::decode(sealink::pb::DESCRIPTORS).expect("descriptors").file;
    let mut makes = BTreeSet::new();
    for file in &files {
        for service in &file.service {
            for method in service.method.iter().map(prost_types::MethodDescriptorProto::name) {
                if method.starts_with("Create") || method == "ExchangeToken" {
                    makes.insert(format!("/{}.{}/{method}", file.package(), service.name()));
                }
            }
        }
    }
    // A create of the REST API answers 201, which is read from its description.
    for (_, text) in sources("src/api/rest") {
        for described in text.split("#[utoipa::path(").skip(1) {
            let Some((head, _)) = described.split_once("pub(super) async fn create(") else { continue };
            if let Some((_, path)) = head.rsplit_once("post, path = \"") {
                makes.insert(path.split('"').next().expect("a path").to_owned());
            }
        }
    }
    let listed: BTreeSet<_> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(listed, makes);
}
