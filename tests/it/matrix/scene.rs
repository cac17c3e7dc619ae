//! Who calls, and everything the calls are about.
use std::{collections::BTreeMap, time::Duration};

use sealink::seal::open::PrivateKey;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Actor, Agent, Answer, Begun, LiveAgent, TestServer, new_id};

/// What a caller looks for whom nobody answers.
const UNANSWERED: &str = "unanswered";

/// Everything the calls of the matrix are about, fresh enough that no earlier call has spent it.
pub(super) struct Scene {
    pub(super) creator: Actor,
    pub(super) agent: Agent,
    /// It takes the calls to that agent, and answers all but one.
    live: LiveAgent,
    /// Callers that wait for the one.
    waiting: JoinSet<Answer>,
    pub(super) integration: String,
    pub(super) class: String,
    pub(super) host_token: String,
    pub(super) llm: String,
    pub(super) pending: String,
    pub(super) registration: Value,
    /// What the agent has opened and sealed anew, ready to be sent.
    pub(super) resealed: Value,
    /// A token of `creator` besides the one it uses.
    pub(super) token: String,
    pub(super) exchange: String,
    /// A user nobody in the matrix is.
    pub(super) user: String,
    pub(super) organization: String,
    /// That user is in it.
    pub(super) group: String,
    pub(super) membership: String,
    pub(super) service_account: String,
    /// A group without a role on the runner; `group` has one.
    pub(super) free_group: String,
}

/// Everybody, in the order of `matrix.toml`.
pub(super) struct Cast<'a> {
    server: &'a TestServer,
    creator: Actor,
    pub(super) others: BTreeMap<String, Actor>,
    /// Groups with the roles USER and ADMIN on the runner of every scene.
    roles: [(String, &'static str); 2],
}

impl<'a> Cast<'a> {
    pub(super) async fn new(server: &'a TestServer) -> Self {
        let admin = server.admin();
        let (expired, expired_id) = admin.create_token(&json!({})).await;
        let (revoked, revoked_id) = admin.create_token(&json!({})).await;
        let expire = "UPDATE token SET expires_at = created_at + 1 WHERE token_id = $1";
        assert_eq!(server.database().execute_for(expire, &expired_id).await, 1);
        admin.call("TokenService/RevokeToken", &json!({ "tokenId": revoked_id })).await.ok();
        let machine = admin.create_service_account("machine", "ORGANIZATION_ROLE_MEMBER").await;
        let (user, manager) = (server.member("policy-user").await, server.member("policy-admin").await);
        let roles = [
            (admin.create_group("users").await, "RUNNER_ROLE_USER"),
            (admin.create_group("admins").await, "RUNNER_ROLE_ADMIN"),
        ];
        for (actor, (group, _)) in [&user, &manager].into_iter().zip(&roles) {
            admin.join(group, "PRINCIPAL_USER", &actor.id).await;
        }
        let others = [
            ("admin", admin.clone()),
            ("service_account", machine),
            ("policy_user", user),
            ("policy_admin", manager),
            ("member", server.member("member").await),
            ("read_only", server.read_only().await),
            ("other_runner", admin.register().await.actor),
            ("other_organization", server.other_organization().await),
            ("expired", expired),
            ("revoked", revoked),
            ("none", server.nobody()),
        ];
        let others = others.map(|(name, actor)| (name.to_owned(), actor)).into();
        Self { creator: server.member("creator").await, server, others, roles }
    }

    pub(super) fn get<'s>(&'s self, name: &str, scene: &'s Scene) -> &'s Actor {
        match name {
            "creator" => &scene.creator,
            "runner" => &scene.agent.actor,
            _ => &self.others[name],
        }
    }

    pub(super) async fn scene(&self) -> Scene {
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
        let without = Begun { answer_old: None, ..begun };
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
        for (group, role) in &self.roles {
            let policy = json!({ "runnerId": agent.runner, "groupId": group, "role": role });
            creator.call("RunnerService/CreateRunnerPolicy", &policy).await.ok();
        }
        Scene {
            live: agent.live(answer).await,
            waiting: JoinSet::new(),
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

/// What an agent says to a call; one it leaves to whoever answers otherwise.
fn answer(call: &Value) -> Option<Value> {
    if call["searchRepositories"]["request"]["searchString"] == UNANSWERED {
        return None;
    }
    if call.get("validate").is_some() {
        return Some(json!({ "validate": { "scmIntegration": { "valid": true } } }));
    }
    let members = call.as_object()?.keys();
    let known = ["requestId", "attempt", "deadline", "remaining", "revision"];
    let name = members.into_iter().find(|name| !known.contains(&name.as_str()))?;
    Some(json!({ name: { "response": {} } }))
}

pub(super) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", new_id().simple())
}

impl Scene {
    /// The answer to a call that somebody waits for.
    pub(super) async fn response(&mut self) -> Value {
        let (creator, runner) = (self.creator.clone(), self.agent.runner.clone());
        let before = self.live.asked().len();
        self.waiting.spawn(async move {
            let search = json!({ "runnerId": runner, "searchString": UNANSWERED });
            creator.call("RunnerService/SearchRepositories", &search).await
        });
        while self.live.asked().len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let call = self.live.asked().pop().expect("a call");
        json!({
            "agentId": self.agent.id, "requestId": call["requestId"], "attempt": call["attempt"],
            "searchRepositories": { "response": {} },
        })
    }
}
