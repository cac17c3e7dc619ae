//! A valid request of every method.
use sealink::seal::open::PrivateKey;
use serde_json::{Value, json};

use super::scene::{Scene, unique};
use crate::support::new_id;

/// A request that keeps every rule and names the scene's own things.
pub(super) fn request(method: &str, scene: &Scene) -> Value {
    let runner = &scene.agent.runner;
    match method {
        "CreateSCMIntegration" => json!({
            "runnerId": runner, "scmId": "gitlab", "host": "gitlab.example.com", "pat": true,
        }),
        "UpdateSCMIntegration" => json!({ "id": scene.integration, "pat": true }),
        "GetSCMIntegration" | "DeleteSCMIntegration" => json!({ "id": scene.integration }),
        "CreateHostAuthenticationToken" => json!({
            "runnerId": runner, "host": "gitlab.example.com", "token": "a token",
            "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT", "userId": scene.user,
        }),
        "UpdateHostAuthenticationToken" => json!({ "id": scene.host_token, "token": "another" }),
        "GetHostAuthenticationToken" | "DeleteHostAuthenticationToken" => json!({ "id": scene.host_token }),
        "CreateLLMIntegration" => json!({ "runnerId": runner, "models": [8], "apiKey": "a key" }),
        "UpdateLLMIntegration" => json!({ "id": scene.llm, "maxTokens": 5 }),
        "GetLLMIntegration" => json!({ "id": scene.llm }),
        "DeleteLLMIntegration" => json!({ "id": scene.llm, "force": true }),
        "CreateRunner" => json!({ "name": "another", "kind": "RUNNER_KIND_REMOTE" }),
        "UpdateRunner" => json!({ "runnerId": runner, "name": "renamed" }),
        "GetRunner"
        | "DeleteRunner"
        | "CreateRunnerToken"
        | "ListKeys"
        | "GetRunnerConfigurationSchema"
        | "CreateRunnerLogsToken" => {
            json!({ "runnerId": runner })
        }
        "CreateEnvironmentClass" => {
            json!({ "runnerId": runner, "displayName": "Large", "description": "eight cores" })
        }
        "GetEnvironmentClass" | "UpdateEnvironmentClass" => json!({ "environmentClassId": scene.class }),
        "UpdateConfigurationSchema" => json!({ "schema": { "version": "1" } }),
        "ExchangeToken" => json!({ "exchangeToken": scene.exchange }),
        "BeginKeyRegistration" => {
            let key = PrivateKey::generate_x25519().expect("a key");
            json!({ "runnerId": runner, "publicKey": base64(key.public().wire_bytes()) })
        }
        "CompleteKeyRegistration" => scene.registration.clone(),
        "ApproveKey" => json!({ "kid": scene.pending }),
        "RevokeKey" => json!({ "kid": scene.pending, "reason": "lost" }),
        "Heartbeat" | "UpdateStatus" | "WatchConfiguration" | "WatchRequests" => {
            json!({ "agentId": new_id().to_string() })
        }
        "ParseContextURL" => json!({ "runnerId": runner, "contextUrl": "https://github.com/a/b" }),
        "CheckRepositoryAccess" => json!({ "runnerId": runner, "repositoryUrl": "https://github.com/a/b" }),
        "SearchRepositories" => json!({ "runnerId": runner, "searchString": "b" }),
        "ListSCMOrganizations" => json!({ "runnerId": runner, "scmHost": "github.com" }),
        "CheckAuthenticationForHost" => json!({ "runnerId": runner, "host": "github.com" }),
        "ValidateRunnerConfiguration" => json!({
            "runnerId": runner,
            "scmIntegration": { "scmId": "github", "host": "ghe.example.com", "pat": true },
        }),
        "ListSecrets" | "ListSecretsToReseal" | "ListRunnerPolicies" => json!({ "runnerId": runner }),
        "ResealSecret" => scene.resealed.clone(),
        "RevokeToken" => json!({ "tokenId": scene.token }),
        "CreateUser" => json!({ "name": unique("new"), "email": "new@example.com" }),
        "DisableUser" => json!({ "userId": scene.user }),
        "CreateServiceAccount" => json!({ "name": unique("new") }),
        "DisableServiceAccount" => json!({ "serviceAccountId": scene.service_account }),
        "CreateGroup" => json!({ "organizationId": scene.organization, "name": unique("new") }),
        "GetGroup" => json!({ "id": scene.group }),
        "UpdateGroup" => json!({ "groupId": scene.group, "name": unique("renamed") }),
        "DeleteGroup" | "ListMemberships" => json!({ "groupId": scene.group }),
        "CreateMembership" => {
            let subject = json!({ "id": scene.service_account, "principal": "PRINCIPAL_SERVICE_ACCOUNT" });
            json!({ "groupId": scene.group, "subject": subject })
        }
        "GetMembership" => {
            json!({ "groupId": scene.group, "subject": { "id": scene.user, "principal": "PRINCIPAL_USER" } })
        }
        "CreateRunnerPolicy" => {
            json!({ "runnerId": runner, "groupId": scene.free_group, "role": "RUNNER_ROLE_USER" })
        }
        "UpdateRunnerPolicy" | "DeleteRunnerPolicy" => {
            json!({ "runnerId": runner, "groupId": scene.group, "role": "RUNNER_ROLE_ADMIN" })
        }
        "DeleteMembership" => json!({ "membershipId": scene.membership }),
        "ListAuthorizedKeys" => json!({ "user": "creator" }),
        _ => json!({}),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}
