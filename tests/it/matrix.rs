//! Principal × RPC: what is written in `matrix.toml` is what happens, for every method there is, over Connect and over
//! gRPC, on both stores.
use std::collections::BTreeMap;

use prost::Message;
use sealink::{pb, seal::open::PrivateKey};
use serde_json::{Value, json};

use crate::{
    support::{Actor, Agent, Answer, TestServer, new_id, on_both_stores},
    transport::{Call, envelope},
};

type Cells = BTreeMap<String, Vec<String>>;

/// Everything the calls of the matrix are about, fresh enough that no earlier call has spent it.
struct Scene {
    creator: Actor,
    agent: Agent,
    integration: String,
    class: String,
    host_token: String,
    llm: String,
    pending: String,
    registration: Value,
    /// What the agent has opened and sealed anew, ready to be sent.
    resealed: Value,
    /// A token of `creator` besides the one it uses.
    token: String,
    exchange: String,
    /// A user nobody in the matrix is.
    user: String,
    organization: String,
    /// That user is in it.
    group: String,
    membership: String,
    service_account: String,
    /// A group without a role on the runner; `group` has one.
    free_group: String,
}

/// Everybody, in the order of `matrix.toml`.
struct Cast<'a> {
    server: &'a TestServer,
    creator: Actor,
    others: BTreeMap<String, Actor>,
}

impl<'a> Cast<'a> {
    async fn new(server: &'a TestServer) -> Self {
        let admin = server.admin();
        let (expired, expired_id) = admin.create_token(&json!({})).await;
        let (revoked, revoked_id) = admin.create_token(&json!({})).await;
        let expire = "UPDATE token SET expires_at = created_at + 1 WHERE token_id = $1";
        assert_eq!(server.database().execute_for(expire, &expired_id).await, 1);
        admin.call("TokenService/RevokeToken", &json!({ "tokenId": revoked_id })).await.ok();
        let others = [
            ("admin", admin.clone()),
            ("member", server.member("member").await),
            ("read_only", server.read_only().await),
            ("other_runner", admin.register().await.actor),
            ("other_organization", server.other_organization().await),
            ("expired", expired),
            ("revoked", revoked),
            ("none", server.nobody()),
        ];
        let others = others.map(|(name, actor)| (name.to_owned(), actor)).into();
        Self { creator: server.member("creator").await, server, others }
    }

    fn get<'s>(&'s self, name: &str, scene: &'s Scene) -> &'s Actor {
        match name {
            "creator" => &scene.creator,
            "runner" => &scene.agent.actor,
            _ => &self.others[name],
        }
    }

    async fn scene(&self) -> Scene {
        let creator = self.creator.clone();
        let mut agent = creator.register().await;
        let integration = creator.integrate(&agent.runner, &json!({})).await;
        // It has just rotated, and nothing is re-sealed yet.
        agent.register_x25519().await;
        let resealed = agent.resealed(&agent.stale().await[0]).await;
        let pending = PrivateKey::generate_x25519().expect("a key");
        agent.keep(&pending);
        let begun = agent.begin(pending.public()).await;
        // Without proof of the ACTIVE key it waits for approval.
        let without = crate::support::Begun { answer_old: None, ..begun };
        let pending = agent.complete(&without).await.ok()["kid"].as_str().expect("a kid").to_owned();
        let next = PrivateKey::generate_x25519().expect("a key");
        agent.keep(&next);
        let begun = agent.begin(next.public()).await;
        let exchange = json!({ "runnerId": agent.runner });
        let exchange = creator.call("RunnerService/CreateRunnerToken", &exchange).await.ok();
        let admin = self.server.admin();
        let user = admin.create_user(&unique("user"), "ORGANIZATION_ROLE_MEMBER").await;
        let me = admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
        let group = admin.create_group(&unique("group")).await;
        let policy = json!({ "runnerId": agent.runner, "groupId": group, "role": "RUNNER_ROLE_USER" });
        admin.call("RunnerService/CreateRunnerPolicy", &policy).await.ok();
        let account = admin.create_service_account(&unique("machine"), "ORGANIZATION_ROLE_MEMBER").await;
        Scene {
            class: creator.create_class(&agent.runner).await,
            integration,
            resealed,
            host_token: creator.store_token(&agent.runner, &json!({})).await,
            llm: creator.integrate_llm(&agent.runner, &json!({})).await,
            pending,
            registration: json!({ "registrationId": begun.id, "answerNew": begun.answer_new }),
            token: creator.create_token(&json!({})).await.1,
            exchange: exchange["exchangeToken"].as_str().expect("a token").to_owned(),
            organization: me["organizationId"].as_str().expect("an id").to_owned(),
            membership: admin.join(&group, "PRINCIPAL_USER", &user.id).await,
            group,
            free_group: admin.create_group(&unique("free")).await,
            service_account: account.id,
            user: user.id,
            creator,
            agent,
        }
    }
}

fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", new_id().simple())
}

/// A request that keeps every rule and names the scene's own things.
fn request(method: &str, scene: &Scene) -> Value {
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
        "SendResponse" => json!({
            "agentId": new_id().to_string(), "requestId": new_id().to_string(), "tailLog": {},
        }),
        // Nobody answers: the runner of the scene has no live agent.
        "ParseContextURL" | "CheckRepositoryAccess" | "SearchRepositories" => json!({
            "runnerId": runner, "contextUrl": "https://github.com/a/b", "repositoryUrl": "https://github.com/a/b",
        }),
        "ValidateRunnerConfiguration" => json!({ "runnerId": runner, "scmIntegration": {} }),
        "CheckAuthenticationForHost" | "ListSCMOrganizations" => json!({
            "runnerId": runner, "host": "github.com", "scmHost": "github.com",
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
        _ => json!({}),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

fn expected() -> (Vec<String>, BTreeMap<String, Cells>) {
    let mut table: toml::Table = include_str!("matrix.toml").parse().expect("TOML");
    let principals = table.remove("principals").expect("principals").try_into().expect("names");
    (principals, toml::Value::Table(table).try_into().expect("rows of cells"))
}

/// Every method of every service that is served, and whether it has side effects.
fn methods() -> BTreeMap<String, BTreeMap<String, bool>> {
    let files = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).expect("descriptors").file;
    let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
    for (file, service) in
        files.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)))
    {
        for method in &service.method {
            let level = method.options.as_ref().map(prost_types::MethodOptions::idempotency_level);
            let reads = level == Some(prost_types::method_options::IdempotencyLevel::NoSideEffects);
            let service = format!("{}.{}", file.package(), service.name());
            found.entry(service).or_default().insert(method.name().to_owned(), reads);
        }
    }
    found
}

#[test]
fn every_method_has_a_row_and_every_row_a_method() {
    let (principals, expected) = expected();
    let names = |rows: &BTreeMap<String, Vec<String>>| rows.keys().cloned().collect::<Vec<_>>();
    let rows: BTreeMap<_, _> =
        expected.iter().map(|(service, rows)| (service.clone(), names(rows))).collect();
    let known = methods().into_iter().map(|(service, rows)| (service, rows.into_keys().collect())).collect();
    assert_eq!(rows, known);
    for (method, cells) in expected.values().flatten() {
        assert_eq!(cells.len(), principals.len(), "{method}");
    }
}

async fn every_cell_is_as_written(server: &TestServer) {
    matrix(server, over_connect).await;
}

async fn every_cell_is_as_written_over_grpc(server: &TestServer) {
    matrix(server, over_grpc).await;
}

async fn matrix(server: &TestServer, ask: impl AsyncFn(&TestServer, &Actor, &str, &Value) -> String) {
    let (principals, expected) = expected();
    let cast = Cast::new(server).await;
    let mut scene = cast.scene().await;
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (service, rows) in methods() {
        for (method, reads) in rows {
            for (principal, cell) in principals.iter().zip(&expected[&service][&method]) {
                let path = format!("/{service}/{method}");
                let answer = ask(server, cast.get(principal, &scene), &path, &request(&method, &scene)).await;
                if answer != *cell {
                    wrong.push(format!("{service}/{method} as {principal}: {answer}, not {cell}"));
                }
                checked += 1;
                if answer == "OK" && !reads {
                    scene = cast.scene().await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(checked, methods().values().map(BTreeMap::len).sum::<usize>() * principals.len());
}

fn is_stream(path: &str) -> bool {
    ["/Watch", "/WatchConfiguration", "/WatchRequests"].iter().any(|method| path.ends_with(method))
}

/// The answer's code. A stream has none before its end, so its first message counts.
async fn over_connect(_: &TestServer, actor: &Actor, path: &str, body: &Value) -> String {
    if is_stream(path) {
        let envelope = envelope(0, body.to_string().as_bytes());
        let sent = actor.post(path).header("content-type", "application/connect+json").body(envelope);
        let first = sent.send().await.expect("an answer").chunk().await.expect("a chunk").expect("a message");
        if first[0] == 0 {
            return "OK".to_owned();
        }
        let end: Value = serde_json::from_slice(&first[5..]).expect("the end of a stream");
        return end["error"]["code"].as_str().expect("a code").to_uppercase();
    }
    let sent = actor.post(path).header("content-type", "application/json").body(body.to_string());
    Answer::of(sent.send().await.expect("an answer")).await.code()
}

/// The same over gRPC, whose messages may be JSON, too: who may what is decided before they are decoded or after.
async fn over_grpc(server: &TestServer, actor: &Actor, path: &str, body: &Value) -> String {
    let mut call = Call::grpc(path, envelope(0, body.to_string().as_bytes()));
    call = call.header("content-type", "application/grpc+json");
    if let Some(token) = &actor.token {
        call = call.header("authorization", &format!("Bearer {token}"));
    }
    if is_stream(path) {
        call = call.header("grpc-timeout", "300m");
    }
    let answer = call.send(server.address).await;
    if is_stream(path) && answer.body.first() == Some(&0) {
        return "OK".to_owned();
    }
    let code = format!("{:?}", answer.grpc().0);
    // A stream that was still open when its time was up; one that is refused ends at once.
    if is_stream(path) && code == "DeadlineExceeded" {
        return "OK".to_owned();
    }
    let words = code.char_indices().map(|(at, letter)| match letter {
        'A'..='Z' if at > 0 => format!("_{letter}"),
        letter => letter.to_ascii_uppercase().to_string(),
    });
    if code == "Ok" { "OK".to_owned() } else { words.collect::<Vec<_>>().concat() }
}

/// Calls on one thing by its id, and the id of one that never was.
fn by_id(scene: &Scene) -> Vec<(&'static str, &'static str, Value, Value)> {
    let nil = "0198a7c0-0000-7000-8000-0000000000ff";
    let mut calls = Vec::new();
    for (method, member) in [
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
            _ => json!(nil),
        };
        calls.push((method, member, real, never));
    }
    let list = "RunnerConfigurationService/ListSCMIntegrations";
    let filter = |id: &str| json!({ "filter": { "runnerIds": [id] } });
    calls.push((list, "filter", filter(&scene.agent.runner), filter(nil)));
    for (method, member) in [("TokenService/ListTokens", "userId"), ("TokenService/CreateToken", "userId")] {
        calls.push((method, member, json!({ "userId": scene.user }), json!({ "userId": nil })));
    }
    calls
}

/// A11: what another organization has looks exactly like what never was.
async fn a11_foreign_and_unknown_are_byte_identical(server: &TestServer) {
    let cast = Cast::new(server).await;
    let scene = cast.scene().await;
    let (stranger, other_runner) = (&cast.others["other_organization"], &cast.others["other_runner"]);
    for (method, member, real, never) in by_id(&scene) {
        let (foreign, unknown) = (stranger.call(method, &real).await, stranger.call(method, &never).await);
        assert_eq!(foreign.visible(), unknown.visible(), "{method} by {member}");
        let (foreign, unknown) =
            (other_runner.call(method, &real).await, other_runner.call(method, &never).await);
        assert_eq!(foreign.visible(), unknown.visible(), "{method} by {member}, a runner's token");
    }
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
            members.values_mut().for_each(|id| *id = json!("0198a7c0-0000-7000-8000-0000000000ff"));
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
    every_cell_is_as_written,
    every_cell_is_as_written_over_grpc,
    a11_foreign_and_unknown_are_byte_identical,
    a12_lists_show_only_what_the_caller_may_see,
    tokens_of_others_are_for_administrators,
);
