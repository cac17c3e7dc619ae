//! What the caller may not see is as if it were not there.
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    methods,
    requests::request,
    scene::{Cast, Scene},
};
use crate::support::{Actor, TestServer, on_both_stores};

/// What names nothing that could be another organization's: it is about the caller itself, or makes something new.
const ABOUT_NOTHING: [&str; 24] = [
    "RunnerConfigurationService/ListEnvironmentClasses",
    "RunnerConfigurationService/ListHostAuthenticationTokens",
    "RunnerConfigurationService/ListLLMIntegrations",
    "RunnerService/CreateRunner",
    "RunnerService/ListRunners",
    "IdentityService/GetAuthenticatedIdentity",
    "IdentityService/ExchangeToken",
    "RunnerAgentService/GetConfiguration",
    "RunnerAgentService/UpdateConfigurationSchema",
    "RunnerAgentService/Heartbeat",
    "RunnerAgentService/UpdateStatus",
    "RunnerAgentService/WatchConfiguration",
    "RunnerAgentService/WatchRequests",
    "AuditService/ListAuditEntries",
    "AuditService/GetAuditHead",
    "AuditService/VerifyAuditLog",
    "AuditService/ExportAuditLog",
    "KeyringService/ListSeeds",
    "KeyringService/Rotate",
    "UserService/CreateUser",
    "UserService/ListUsers",
    "GroupService/ListGroups",
    "ServiceAccountService/CreateServiceAccount",
    "ServiceAccountService/ListServiceAccounts",
];
/// Answered to everybody, or to nobody.
const FOR_ALL: [&str; 4] =
    ["IdentityService/GetIDToken", "GatewayService/ListGateways", "Health/Check", "Health/Watch"];
/// The answer to a question that an agent has taken.
const SEND: &str = "RunnerAgentService/SendResponse";

const NEVER: &str = "0198a7c0-0000-7000-8000-0000000000ff";

/// Calls on one thing by its id, and the id of one that never was.
fn by_id(scene: &Scene) -> Vec<(&'static str, &'static str, Value, Value)> {
    let mut calls = Vec::new();
    for (method, member) in [
        ("RunnerConfigurationService/ValidateRunnerConfiguration", "runnerId"),
        ("RunnerService/ParseContextURL", "runnerId"),
        ("RunnerService/SearchRepositories", "runnerId"),
        ("RunnerService/ListSCMOrganizations", "runnerId"),
        ("RunnerService/CheckAuthenticationForHost", "runnerId"),
        ("RunnerService/CheckRepositoryAccess", "runnerId"),
        ("RunnerService/CreateRunnerLogsToken", "runnerId"),
        ("RunnerConfigurationService/GetSCMIntegration", "id"),
        ("RunnerConfigurationService/UpdateSCMIntegration", "id"),
        ("RunnerConfigurationService/DeleteSCMIntegration", "id"),
        ("RunnerConfigurationService/CreateSCMIntegration", "runnerId"),
        ("RunnerConfigurationService/CreateEnvironmentClass", "runnerId"),
        ("RunnerConfigurationService/GetEnvironmentClass", "environmentClassId"),
        ("RunnerConfigurationService/UpdateEnvironmentClass", "environmentClassId"),
        ("RunnerConfigurationService/GetRunnerConfigurationSchema", "runnerId"),
        ("RunnerConfigurationService/GetHostAuthenticationToken", "id"),
        ("RunnerConfigurationService/UpdateHostAuthenticationToken", "id"),
        ("RunnerConfigurationService/DeleteHostAuthenticationToken", "id"),
        ("RunnerConfigurationService/CreateHostAuthenticationToken", "runnerId"),
        ("RunnerConfigurationService/GetLLMIntegration", "id"),
        ("RunnerConfigurationService/UpdateLLMIntegration", "id"),
        ("RunnerConfigurationService/DeleteLLMIntegration", "id"),
        ("RunnerConfigurationService/CreateLLMIntegration", "runnerId"),
        ("RunnerService/GetRunner", "runnerId"),
        ("RunnerService/UpdateRunner", "runnerId"),
        ("RunnerService/DeleteRunner", "runnerId"),
        ("RunnerService/CreateRunnerToken", "runnerId"),
        ("RunnerKeyService/BeginKeyRegistration", "runnerId"),
        ("RunnerKeyService/CompleteKeyRegistration", "registrationId"),
        ("RunnerKeyService/ListKeys", "runnerId"),
        ("RunnerKeyService/ApproveKey", "kid"),
        ("RunnerKeyService/RevokeKey", "kid"),
        ("RunnerKeyService/ListSecrets", "runnerId"),
        ("RunnerKeyService/ListSecretsToReseal", "runnerId"),
        ("RunnerKeyService/ResealSecret", "sub"),
        ("TokenService/RevokeToken", "tokenId"),
        ("SshKeyService/ListAuthorizedKeys", "user"),
        ("UserService/DisableUser", "userId"),
        ("ServiceAccountService/DisableServiceAccount", "serviceAccountId"),
        ("RunnerService/ListRunnerPolicies", "runnerId"),
        ("RunnerService/CreateRunnerPolicy", "runnerId"),
        ("RunnerService/UpdateRunnerPolicy", "runnerId"),
        ("RunnerService/DeleteRunnerPolicy", "runnerId"),
        ("GroupService/CreateGroup", "organizationId"),
        ("GroupService/GetGroup", "id"),
        ("GroupService/UpdateGroup", "groupId"),
        ("GroupService/DeleteGroup", "groupId"),
        ("GroupService/CreateMembership", "groupId"),
        ("GroupService/GetMembership", "groupId"),
        ("GroupService/DeleteMembership", "membershipId"),
        ("GroupService/ListMemberships", "groupId"),
    ] {
        let real = request(method.split('/').next_back().unwrap_or_default(), scene);
        let mut never = real.clone();
        never[member] = match member {
            "kid" => json!("never"),
            "tokenId" => json!("abcdefghijkl"),
            "user" => json!("nobody-of-that-name"),
            _ => json!(NEVER),
        };
        calls.push((method, member, real, never));
    }
    let list = "RunnerConfigurationService/ListSCMIntegrations";
    let filter = |id: &str| json!({ "filter": { "runnerIds": [id] } });
    calls.push((list, "filter", filter(&scene.agent.runner), filter(NEVER)));
    for (method, member) in [("TokenService/ListTokens", "userId"), ("TokenService/CreateToken", "userId")] {
        calls.push((method, member, json!({ "userId": scene.user }), json!({ "userId": NEVER })));
    }
    calls
}

/// A11: what another organization has looks exactly like what never was.
async fn a11_foreign_and_unknown_are_byte_identical(server: &TestServer) {
    let cast = Cast::new(server).await;
    let mut scene = cast.scene().await;
    let (stranger, other_runner) = (&cast.others["other_organization"], &cast.others["other_runner"]);
    let mut asked: BTreeSet<_> = [SEND].into_iter().chain(ABOUT_NOTHING).chain(FOR_ALL).collect();
    for (method, member, real, never) in by_id(&scene) {
        asked.insert(method);
        let (foreign, unknown) = (stranger.call(method, &real).await, stranger.call(method, &never).await);
        assert_eq!(foreign.visible(), unknown.visible(), "{method} by {member}");
        let (foreign, unknown) =
            (other_runner.call(method, &real).await, other_runner.call(method, &never).await);
        assert_eq!(foreign.visible(), unknown.visible(), "{method} by {member}, a runner's token");
    }
    let real = scene.response().await;
    let mut never = real.clone();
    never["requestId"] = json!(NEVER);
    let (foreign, unknown) = (other_runner.call(SEND, &real).await, other_runner.call(SEND, &never).await);
    assert_eq!(foreign.visible(), unknown.visible(), "{SEND}");
    let short = |service: &str| service.rsplit('.').next().unwrap_or_default().to_owned();
    let methods = methods();
    let all: BTreeSet<_> = methods
        .iter()
        .flat_map(|(service, rows)| rows.keys().map(move |method| format!("{}/{method}", short(service))))
        .collect();
    assert_eq!(asked.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), all, "every method is judged");
    // Deleted looks the same again, to everybody.
    for actor in [&cast.others["admin"], &scene.creator] {
        let id = actor.integrate_pat(&actor.create_runner().await.0, "gone.example.com").await;
        let runner = actor.integration(&id).await["runnerId"].as_str().expect("an id").to_owned();
        actor.delete_runner(&runner).await.ok();
        for (method, deleted) in [
            ("RunnerConfigurationService/GetSCMIntegration", json!({ "id": id })),
            ("RunnerService/GetRunner", json!({ "runnerId": runner })),
            ("RunnerService/DeleteRunner", json!({ "runnerId": runner })),
        ] {
            let mut never = deleted.clone();
            let members = never.as_object_mut().expect("an object");
            members.values_mut().for_each(|id| *id = json!(NEVER));
            assert_eq!(
                actor.call(method, &deleted).await.visible(),
                actor.call(method, &never).await.visible(),
                "{method}"
            );
        }
    }
}

/// A12: in the same organization a thing is known, and forbidden by its id; lists leave it out.
async fn a12_lists_show_only_what_the_caller_may_see(server: &TestServer) {
    let cast = Cast::new(server).await;
    let scene = cast.scene().await;
    let sees = async |actor: &Actor| {
        let runners = actor.call("RunnerService/ListRunners", &json!({})).await.ok();
        let mine = json!(scene.agent.runner);
        let runner =
            runners["runners"].as_array().expect("an array").iter().any(|one| one["runnerId"] == mine);
        let all = actor.listed(&json!({})).await;
        let filtered = actor.listed(&json!({ "filter": { "runnerIds": [scene.agent.runner] } })).await;
        assert_eq!(all.contains(&scene.integration), filtered.contains(&scene.integration));
        (runner, filtered.contains(&scene.integration), runners["runners"].as_array().map_or(0, Vec::len))
    };
    for name in ["admin", "creator", "read_only", "runner"] {
        let (runner, integration, _) = sees(cast.get(name, &scene)).await;
        assert!(runner && integration, "{name}");
    }
    for (name, runners) in [("member", 0), ("other_runner", 1), ("other_organization", 0)] {
        assert_eq!(sees(&cast.others[name]).await, (false, false, runners), "{name}");
    }
    assert_eq!(sees(&scene.agent.actor).await.2, 1, "a runner sees itself alone");
}

/// Tokens of others are an administrator's business.
async fn tokens_of_others_are_for_administrators(server: &TestServer) {
    let cast = Cast::new(server).await;
    let scene = cast.scene().await;
    let other = json!({ "userId": scene.user });
    for method in ["TokenService/ListTokens", "TokenService/CreateToken"] {
        for (name, code) in [
            ("admin", "OK"),
            ("creator", "PERMISSION_DENIED"),
            ("member", "PERMISSION_DENIED"),
            ("runner", "PERMISSION_DENIED"),
            ("other_organization", "NOT_FOUND"),
        ] {
            assert_eq!(cast.get(name, &scene).call(method, &other).await.code(), code, "{method} as {name}");
        }
    }
}

on_both_stores!(
    a11_foreign_and_unknown_are_byte_identical,
    a12_lists_show_only_what_the_caller_may_see,
    tokens_of_others_are_for_administrators,
);
