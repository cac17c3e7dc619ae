//! A flow stands on the user's rights and on the integration's OAuth app, until its very end.
use serde_json::{Value, json};

use crate::{
    oauth::{Browser, HOST, begun, exchanged, link, reasons},
    support::{Actor, Agent, LiveAgent, TestServer, on_both_stores},
};

/// What a flow can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Nothing,
    Policy,
    Membership,
    User,
    Token,
    Client,
    Oauth,
    Integration,
    Runner,
}

/// Before what it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Page,
    Forge,
    Code,
    Answer,
}

/// Somebody who may use a runner by a policy alone, and an agent that waits with what the forge gave it.
struct World {
    admin: Actor,
    agent: Agent,
    live: LiveAgent,
    integration: String,
    group: String,
    membership: String,
    ada: Actor,
    token: String,
}

impl World {
    async fn new(server: &TestServer, name: &str) -> Self {
        let admin = server.admin();
        let agent = admin.register().await;
        let integration = admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
        let user = admin.create_user(name, "ORGANIZATION_ROLE_MEMBER").await;
        let (ada, token) = user.create_token(&json!({})).await;
        let group = admin.create_group(name).await;
        let membership = admin.join(&group, "PRINCIPAL_USER", &user.id).await;
        let policy = json!({ "runnerId": agent.runner, "groupId": group, "role": "RUNNER_ROLE_USER" });
        admin.call("RunnerService/CreateRunnerPolicy", &policy).await.ok();
        let own = agent.clone();
        let live = agent
            .live(move |call| {
                if call.get("completeOauth").is_some() {
                    return None;
                }
                let told = || json!({ "checkAuthenticationForHost": { "response": {} } });
                Some(call.get("beginOauth").map_or_else(told, |begin| begun(&own, begin)))
            })
            .await;
        Self { admin, agent, live, integration, group, membership, ada: ada.known_as(&user.id), token }
    }

    async fn lose(&self, loss: Loss) {
        let (runner, group) = (&self.agent.runner, &self.group);
        let change = async |method: &str, body: Value| {
            self.admin.call(method, &body).await.ok();
        };
        match loss {
            Loss::Nothing => {}
            Loss::Policy => {
                let policy = json!({ "runnerId": runner, "groupId": group });
                change("RunnerService/DeleteRunnerPolicy", policy).await;
            }
            Loss::Membership => {
                change("GroupService/DeleteMembership", json!({ "membershipId": self.membership })).await;
            }
            Loss::User => change("UserService/DisableUser", json!({ "userId": self.ada.id })).await,
            Loss::Token => change("TokenService/RevokeToken", json!({ "tokenId": self.token })).await,
            Loss::Client => {
                let other = json!({
                    "oauthClientId": "another", "oauthPlaintextClientSecret": "canary-other-secret-4712",
                });
                self.admin.update_integration(&self.integration, &other).await.ok();
            }
            Loss::Oauth => {
                let none = json!({ "oauthClientId": "", "pat": true });
                self.admin.update_integration(&self.integration, &none).await.ok();
            }
            Loss::Integration => {
                self.admin.delete_integration(&self.integration).await.ok();
            }
            Loss::Runner => {
                self.admin.delete_runner(&self.agent.runner).await.ok();
            }
        }
    }

    fn codes(&self) -> Vec<Value> {
        self.live.asked().into_iter().filter(|call| call.get("completeOauth").is_some()).collect()
    }

    /// The whole way, with a loss on it: the status and text of the last page.
    async fn walk(&self, server: &TestServer, loss: Loss, moment: Moment) -> (u16, String) {
        let at = async |now| {
            if now == moment {
                self.lose(loss).await;
            }
        };
        let (mut browser, link) = (Browser::new(), link(&self.ada, &self.agent).await);
        at(Moment::Page).await;
        let page = browser.get(&link).await;
        if page.status != 200 {
            return (page.status, page.text);
        }
        at(Moment::Forge).await;
        let sent = browser.confirm(&link, &page).await;
        if sent.status != 303 {
            return (sent.status, sent.text);
        }
        at(Moment::Code).await;
        let state = sent.location.split("state=").nth(1).expect("a state");
        let back = format!("http://{}/oauth/callback?code=good&state={state}", server.address);
        let returning = tokio::spawn(async move { browser.get(&back).await });
        while self.codes().is_empty() && !returning.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        if let [call] = &self.codes()[..] {
            at(Moment::Answer).await;
            let answer = self.agent.respond(call, &exchanged(&self.agent, &call["completeOauth"])).await;
            // With its runner the agent's token ends.
            assert!(answer.status.is_success() || loss == Loss::Runner, "{answer:?}");
        }
        let page = returning.await.expect("no panic");
        (page.status, page.text)
    }
}

/// Every loss at every step: nothing is connected, the page says what to do, and the code goes to no agent unless it
/// is there already.
async fn nothing_is_connected_after_a_loss(server: &TestServer) {
    let losses = [
        (Loss::Nothing, 200, "Connected as octocat", ""),
        (Loss::Policy, 403, "a role on it", "no role on the runner"),
        (Loss::Membership, 403, "a role on it", "no role on the runner"),
        (Loss::User, 404, "ask for a new one", "token or user ended"),
        (Loss::Token, 404, "ask for a new one", "token or user ended"),
        (Loss::Client, 404, "ask for a new one", "integration changed"),
        (Loss::Oauth, 404, "ask for a new one", "integration changed"),
        (Loss::Integration, 404, "ask for a new one", "integration changed"),
        (Loss::Runner, 404, "ask for a new one", ""),
    ];
    let moments = [Moment::Page, Moment::Forge, Moment::Code, Moment::Answer];
    let mut connected = 0;
    for (at, (loss, status, says, reason)) in losses.into_iter().enumerate() {
        for (then, moment) in moments.into_iter().enumerate() {
            let case = format!("{loss:?} {moment:?}");
            let world = World::new(server, &format!("ada{at}{then}")).await;
            let said = if moment == Moment::Answer && status == 404 { "link" } else { reason };
            let before = reasons(server, said).await;
            let (found, text) = world.walk(server, loss, moment).await;
            assert!(found == status && text.contains(says), "{case}: {found} {text}");
            let asked = loss == Loss::Nothing || moment == Moment::Answer;
            assert_eq!(world.codes().len(), usize::from(asked), "{case}");
            connected += i64::from(loss == Loss::Nothing);
            let stored = server.database().count("SELECT count(*) FROM host_token").await;
            assert_eq!(stored, connected, "{case}");
            let written = i64::from(!matches!(loss, Loss::Nothing | Loss::Runner));
            assert_eq!(reasons(server, said).await, before + written, "{case}");
        }
    }
    assert_eq!(connected, 4);
}

/// Who administers the organization, or made the runner, needs no policy; and a role that comes back is enough.
async fn a_role_that_comes_back_is_enough(server: &TestServer) {
    let world = World::new(server, "ada").await;
    let (mut browser, link) = (Browser::new(), link(&world.ada, &world.agent).await);
    world.lose(Loss::Policy).await;
    assert_eq!(browser.get(&link).await.status, 403);
    let policy =
        json!({ "runnerId": world.agent.runner, "groupId": world.group, "role": "RUNNER_ROLE_ADMIN" });
    world.admin.call("RunnerService/CreateRunnerPolicy", &policy).await.ok();
    assert_eq!(browser.get(&link).await.status, 200);
}

on_both_stores!(nothing_is_connected_after_a_loss, a_role_that_comes_back_is_enough);
