//! One history: what happens by chance, at the server and in the model.
use std::collections::BTreeMap;

use sealink::{domain::secret::Kid, seal::open::PrivateKey};
use serde_json::{Value, json};

use super::model::{Model, Random, Secret};
use crate::support::{Actor, Agent, Begun, TestServer};

/// What one agent has in memory; a crash takes it all.
#[derive(Default)]
struct Memory {
    begun: Option<(Begun, String, Option<String>)>,
    listed: Vec<Value>,
}

pub(super) struct Case {
    admin: Actor,
    agent: Agent,
    keys: BTreeMap<String, PrivateKey>,
    memory: [Memory; 2],
    pub(super) model: Model,
    random: Random,
    names: u32,
}

impl Case {
    pub(super) async fn new(admin: &Actor, seed: u64) -> Self {
        let agent = admin.enroll().await;
        let (memory, model) = (Default::default(), Model::new(&agent.runner));
        Self {
            admin: admin.clone(),
            agent,
            keys: BTreeMap::new(),
            memory,
            model,
            random: Random::new(seed),
            names: 0,
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("secret-{}", self.names)
    }

    /// Does something by chance; what it was, in a word or two.
    pub(super) async fn step(&mut self) -> &'static str {
        let who = self.random.below(2);
        match self.random.below(20) {
            0 | 1 => self.create_integration().await,
            2 => self.create_token().await,
            3 => self.change_honeycomb().await,
            4 | 5 => self.change().await,
            6 => self.delete().await,
            7 | 8 => self.begin(who).await,
            9..=11 => self.complete(who).await,
            12 => self.approve().await,
            13 if self.random.below(3) == 0 => self.revoke().await,
            14 | 15 => {
                self.memory[who].listed = self.agent.stale().await;
                "list"
            }
            16 if self.random.below(2) == 0 => {
                self.memory[who] = Memory::default();
                "crash"
            }
            _ => self.reseal(who).await,
        }
    }

    async fn create_integration(&mut self) -> &'static str {
        let plaintext = self.name();
        let over =
            json!({ "host": format!("{plaintext}.example.com"), "oauthPlaintextClientSecret": plaintext });
        let made = self.admin.try_integrate(&self.agent.runner, &over).await;
        match self.model.active() {
            None => {
                made.refused(400, "failed_precondition", "public key");
            }
            Some(kid) => {
                let id = made.ok()["id"].as_str().expect("an id").to_owned();
                self.model.put(&id, "oauth.client_secret", Secret::new(kid, plaintext));
            }
        }
        "create integration"
    }

    async fn create_token(&mut self) -> &'static str {
        let plaintext = self.name();
        let over = json!({
            "host": format!("{plaintext}.example.com"), "token": plaintext, "refreshToken": plaintext,
        });
        let made = self.admin.try_store_token(&self.agent.runner, &over).await;
        match self.model.active() {
            None => {
                made.refused(400, "failed_precondition", "public key");
            }
            Some(kid) => {
                let id = made.ok()["token"]["id"].as_str().expect("an id").to_owned();
                for field in ["host_token.value", "host_token.refresh"] {
                    self.model.put(&id, field, Secret::new(kid.clone(), plaintext.clone()));
                }
            }
        }
        "create host token"
    }

    async fn change_honeycomb(&mut self) -> &'static str {
        let plaintext = self.name();
        let spec = json!({ "configuration": { "honeycombApiKey": plaintext } });
        let changed = self.admin.update_runner(&self.agent.runner, &spec).await;
        match self.model.active() {
            None => {
                changed.refused(400, "failed_precondition", "public key");
            }
            Some(kid) => {
                changed.ok();
                let runner = self.agent.runner.clone();
                self.model.replace(&runner, "runner.honeycomb_api_key", Secret::new(kid, plaintext));
            }
        }
        "change honeycomb"
    }

    /// Enters one secret of an object again.
    async fn change(&mut self) -> &'static str {
        let Some((sub, field)) = self.random.pick(&self.model.objects()) else { return "nothing to change" };
        let plaintext = self.name();
        let changed = match field.as_str() {
            "oauth.client_secret" => {
                let change = json!({ "oauthPlaintextClientSecret": plaintext });
                self.admin.update_integration(&sub, &change).await
            }
            "host_token.value" => self.admin.update_token(&sub, &json!({ "token": plaintext })).await,
            _ => self.admin.update_token(&sub, &json!({ "refreshToken": plaintext })).await,
        };
        match self.model.active() {
            None => {
                changed.refused(400, "failed_precondition", "public key");
            }
            Some(kid) => {
                changed.ok();
                self.model.replace(&sub, &field, Secret::new(kid, plaintext));
            }
        }
        "change"
    }

    async fn delete(&mut self) -> &'static str {
        let Some((sub, field)) = self.random.pick(&self.model.objects()) else { return "nothing to delete" };
        match field.as_str() {
            "oauth.client_secret" => self.admin.delete_integration(&sub).await.ok(),
            _ => self.admin.delete_token(&sub).await.ok(),
        };
        self.model.remove(&sub);
        "delete"
    }

    async fn begin(&mut self, who: usize) -> &'static str {
        let key = PrivateKey::generate_x25519().expect("a key");
        // On disk before anything else: no crash loses it.
        self.agent.keep(&key);
        let begun = self.agent.begin(key.public()).await;
        let kid = key.public().kid().0.clone();
        self.keys.insert(kid.clone(), key);
        self.memory[who].begun = Some((begun, kid, self.model.active()));
        "begin"
    }

    /// The first key.
    pub(super) async fn register(&mut self) {
        self.begin(0).await;
        self.complete(0).await;
    }

    async fn complete(&mut self, who: usize) -> &'static str {
        let Some((mut begun, kid, old)) = self.memory[who].begun.take() else { return "nothing to complete" };
        let proves = self.random.below(4) > 0;
        if !proves {
            begun.answer_old = None;
        }
        let done = self.agent.complete(&begun).await.ok();
        let expected = self.model.register(&kid, old.as_deref().filter(|_| proves));
        assert_eq!(done["state"], format!("KEY_STATE_{expected}"));
        "complete"
    }

    async fn approve(&mut self) -> &'static str {
        let Some(kid) = self.random.pick(&self.model.in_state("PENDING")) else {
            return "nothing to approve";
        };
        self.admin.approve(&kid).await.ok();
        self.model.activate(&kid);
        "approve"
    }

    async fn revoke(&mut self) -> &'static str {
        let kids: Vec<_> = self.model.keys.iter().map(|(kid, _)| kid.clone()).collect();
        let Some(kid) = self.random.pick(&kids) else { return "nothing to revoke" };
        let wiped = self.admin.revoke(&kid).await.ok()["wipedSecrets"].as_u64().unwrap_or_default();
        assert_eq!(wiped, self.model.revoke(&kid));
        "revoke"
    }

    /// An agent moves something from its list, which may be long out of date, to any key it has.
    async fn reseal(&mut self, who: usize) -> &'static str {
        let Some(listed) = self.random.pick(&self.memory[who].listed) else { return "nothing to re-seal" };
        let newest = self.model.active().filter(|_| self.random.below(5) > 0);
        let kids: Vec<_> = self.keys.keys().cloned().collect();
        let kid =
            newest.or_else(|| self.random.pick(&kids)).expect("what was listed was sealed with some key");
        let request = self.agent.resealed_with(&listed, self.keys[&kid].public());
        let answer = self.agent.reseal(&request).await;
        let expected = self.model.reseal(&request, &kid);
        // That a loser changes nothing shows in the comparison that follows.
        assert_eq!(answer.code(), expected, "{request}");
        "re-seal"
    }

    /// The server's states are the model's.
    pub(super) async fn compare(&self) {
        let keys = self.agent.actor.keys(&self.agent.runner).await;
        let text = |value: &Value| value.as_str().expect("text").replace("KEY_STATE_", "");
        let keys: BTreeMap<_, _> = keys.iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect();
        assert_eq!(keys, self.model.keys.iter().cloned().collect());
        let mut secrets = self.admin.secrets(&self.agent.runner).await;
        secrets.sort_unstable();
        assert_eq!(secrets, self.model.shown());
    }

    /// Everything that is not wiped opens with the keys the agents were not told to shred.
    pub(super) async fn open_everything(&self, server: &TestServer) {
        let configuration = self.agent.configuration().await;
        let ring: Vec<_> = self.model.in_use().into_iter().map(Kid).collect();
        for ((sub, field), secret) in self.model.sealed() {
            let kid = secret.kid.clone().expect("sealed");
            assert!(ring.contains(&Kid(kid)), "{sub} {field} is under a key that may be shredded");
            let opened = match field.as_str() {
                "oauth.client_secret" => self.agent.opened_in(&configuration, sub),
                "runner.honeycomb_api_key" => self.agent.opened_honeycomb().await,
                field => {
                    let token = self.admin.get_token(sub).await.ok()["token"].clone();
                    let sealed = server.database().sealed(sub, field).await.expect("a ciphertext");
                    let field = sealink::seal::Field::from_wire_name(field).expect("a field");
                    self.agent.opened_token(&token, field, &sealed)
                }
            };
            assert_eq!(opened, secret.plaintext, "{sub} {field}");
        }
    }
}
