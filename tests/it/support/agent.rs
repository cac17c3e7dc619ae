//! A runner's agent: its token, its private keys, and what it opens with them.
use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::{
    domain::{
        id::{RegistrationId, RunnerId},
        secret::{Kid, Sealed, Secret},
    },
    seal::{
        Field, Place, PublicKey,
        open::{KeyRing, PrivateKey, answer_challenge, open},
        seal,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Actor, Answer, EventStream, new_id};

/// An agent that has signed in.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) actor: Actor,
    pub(crate) runner: String,
    /// Its private keys, as PEM.
    pub(crate) keys: Vec<String>,
    /// The process's own id.
    pub(crate) id: String,
}

/// A registration that was begun: everything its completion needs.
pub(crate) struct Begun {
    pub(crate) id: String,
    pub(crate) answer_new: String,
    pub(crate) answer_old: Option<String>,
}

impl Agent {
    /// Trades an exchange token for a runner token.
    pub(crate) async fn sign_in(through: &Actor, runner: &str, exchange: &str) -> Self {
        let body = json!({ "exchangeToken": exchange });
        let token = through.call("IdentityService/ExchangeToken", &body).await.ok();
        let actor = through.with_token(token["accessToken"].as_str().expect("a token")).known_as(runner);
        Self { actor, runner: runner.to_owned(), keys: Vec::new(), id: new_id().to_string() }
    }

    /// Its private keys.
    pub(crate) fn ring(&self) -> KeyRing {
        KeyRing::new(self.keys.iter().map(|pem| PrivateKey::from_pem(pem).expect("a key")))
    }

    /// Its runner.
    pub(crate) fn runner_id(&self) -> RunnerId {
        RunnerId(Uuid::try_parse(&self.runner).expect("an id"))
    }

    /// Puts a key into the agent's key directory.
    pub(crate) fn keep(&mut self, key: &PrivateKey) {
        let pem = key.to_pem().expect("a PEM").to_string();
        for line in pem.lines().filter(|line| !line.starts_with('-')) {
            self.actor.watch.keep_secret("a private key", line.as_bytes());
        }
        self.keys.push(pem);
    }

    /// `BeginKeyRegistration`, whatever comes of it.
    pub(crate) async fn offer(&self, key: &PublicKey) -> Answer {
        let body = json!({ "runnerId": self.runner, "publicKey": STANDARD.encode(key.wire_bytes()) });
        self.actor.call("RunnerKeyService/BeginKeyRegistration", &body).await
    }

    /// Offers a key and opens the challenges with the keys the agent has.
    pub(crate) async fn begin(&self, key: &PublicKey) -> Begun {
        let begun = self.offer(key).await.ok();
        let id = begun["registrationId"].as_str().expect("an id").to_owned();
        let registration = RegistrationId(Uuid::try_parse(&id).expect("a UUID"));
        let answer = |challenge: &Value| {
            let challenge = STANDARD.decode(challenge.as_str()?).expect("base64");
            let answer = answer_challenge(&self.ring(), self.runner_id(), registration, &challenge);
            Some(STANDARD.encode(answer.expect("a challenge that opens")))
        };
        let answer_new = answer(&begun["challengeNew"]).expect("a challenge");
        Begun { id, answer_new, answer_old: answer(&begun["challengeOld"]) }
    }

    /// `CompleteKeyRegistration`, whatever comes of it.
    pub(crate) async fn complete(&self, begun: &Begun) -> Answer {
        let body = json!({
            "registrationId": begun.id, "answerNew": begun.answer_new, "answerOld": begun.answer_old,
        });
        self.actor.call("RunnerKeyService/CompleteKeyRegistration", &body).await
    }

    /// Keeps, offers and proves a key; its kid and its state afterwards.
    pub(crate) async fn register(&mut self, key: &PrivateKey) -> (String, String) {
        self.keep(key);
        let done = self.complete(&self.begin(key.public()).await).await.ok();
        let text = |member: &str| done[member].as_str().expect("text").to_owned();
        (text("kid"), text("state"))
    }

    /// A fresh X25519 key, registered; its kid.
    pub(crate) async fn register_x25519(&mut self) -> String {
        self.register(&PrivateKey::generate_x25519().expect("a key")).await.0
    }

    /// `Heartbeat`, as the agent `id`.
    pub(crate) async fn beat(&self, id: &str) -> Answer {
        self.actor.call("RunnerAgentService/Heartbeat", &json!({ "agentId": id })).await
    }

    /// `UpdateStatus`, as the agent `id`.
    pub(crate) async fn report(&self, id: &str, report: &Value) -> Answer {
        let mut body = report.clone();
        body["agentId"] = json!(id);
        self.actor.call("RunnerAgentService/UpdateStatus", &body).await
    }

    /// `WatchConfiguration` from what an agent has.
    pub(crate) async fn watch(&self, epoch: &str, after: u64) -> EventStream {
        let body = json!({ "agentId": self.id, "epoch": epoch, "afterRevision": after.to_string() });
        self.actor.stream("RunnerAgentService/WatchConfiguration", &body).await
    }

    /// Its configuration.
    pub(crate) async fn configuration(&self) -> Value {
        self.actor.call("RunnerAgentService/GetConfiguration", &json!({})).await.ok()
    }

    /// The integration as its configuration shows it.
    pub(crate) async fn configured(&self, id: &str) -> Value {
        one_of(&self.configuration().await, id)
    }

    /// Opens the client secret of an integration with the private keys of this agent.
    pub(crate) async fn opened(&self, id: &str) -> String {
        self.opened_in(&self.configuration().await, id)
    }

    /// The same from a configuration that was read before.
    pub(crate) fn opened_in(&self, configuration: &Value, id: &str) -> String {
        let found = one_of(configuration, id);
        let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
        let (host, issuer, client_id) = (text("host"), text("issuerUrl"), text("clientId"));
        let place = Place {
            runner: self.runner_id(),
            sub: Uuid::try_parse(id).expect("an id"),
            field: Field::OauthClientSecret,
            a: &host,
            b: &issuer,
            c: &client_id,
        };
        self.open(&place, &text("encryptedClientSecret"), &text("kid"))
    }

    /// Opens the runner's own Honeycomb key.
    pub(crate) async fn opened_honeycomb(&self) -> String {
        let found = self.configuration().await;
        let field = Field::RunnerHoneycombApiKey;
        let runner = self.runner_id();
        let place = Place { runner, sub: runner.0, field, a: "", b: "", c: "" };
        let sealed =
            found["spec"]["configuration"]["encryptedHoneycombApiKey"].as_str().expect("a ciphertext");
        self.open(&place, sealed, found["honeycombKid"].as_str().expect("a kid"))
    }

    /// Opens a value of a host token, as `token` shows it, from its ciphertext.
    pub(crate) fn opened_token(&self, token: &Value, field: Field, sealed: &(Vec<u8>, String)) -> String {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (host, subject) = (text(&token["host"]), text(&token["subject"]["id"]));
        let source = text(&token["source"]);
        let place = Place {
            runner: self.runner_id(),
            sub: Uuid::try_parse(&text(&token["id"])).expect("an id"),
            field,
            a: &host,
            b: &subject,
            c: source.trim_start_matches("HOST_AUTHENTICATION_TOKEN_SOURCE_"),
        };
        let (bytes, kid) = sealed.clone();
        let opened = open(&self.ring(), &place, &Sealed { bytes, kid: Kid(kid) });
        opened.expect("a secret that opens").expose().to_owned()
    }

    /// What is to be re-sealed, first page.
    pub(crate) async fn stale(&self) -> Vec<Value> {
        let body = json!({ "runnerId": self.runner, "pagination": { "pageSize": 100 } });
        let listed = self.actor.call("RunnerKeyService/ListSecretsToReseal", &body).await.ok();
        listed["secrets"].as_array().expect("an array").clone()
    }

    /// The plaintext of a secret as `ListSecretsToReseal` shows it, opened by this agent.
    pub(crate) fn opened_stale(&self, listed: &Value) -> String {
        self.with_place(listed, |place| {
            let (sealed, kid) = (listed["sealed"].as_str(), listed["oldKid"].as_str());
            self.open(place, sealed.expect("a ciphertext"), kid.expect("a kid"))
        })
    }

    fn with_place<T>(&self, listed: &Value, then: impl FnOnce(&Place<'_>) -> T) -> T {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let [a, b, c] = [0, 1, 2].map(|at| text(&listed["destination"][at]));
        then(&Place {
            runner: self.runner_id(),
            sub: Uuid::try_parse(&text(&listed["sub"])).expect("an id"),
            field: Field::from_wire_name(&text(&listed["field"])).expect("a field"),
            a: &a,
            b: &b,
            c: &c,
        })
    }

    /// The request that moves a listed secret to `key`.
    pub(crate) fn resealed_with(&self, listed: &Value, key: &PublicKey) -> Value {
        let plaintext = Secret::parse_up_to(8_192, "secret", self.opened_stale(listed)).expect("a secret");
        let sealed = self.with_place(listed, |place| seal(key, place, &plaintext).expect("sealed"));
        json!({
            "sub": listed["sub"], "field": listed["field"], "name": listed["name"],
            "expectedVersion": listed["version"], "expectedOldKid": listed["oldKid"],
            "newSealed": STANDARD.encode(sealed.bytes), "newKid": key.kid().0,
        })
    }

    /// The same for the ACTIVE key.
    pub(crate) async fn resealed(&self, listed: &Value) -> Value {
        let keys = self.actor.keys(&self.runner).await;
        let active = keys.iter().find(|key| key["state"] == "KEY_STATE_ACTIVE").expect("an ACTIVE key");
        let kid = Kid(active["kid"].as_str().expect("a kid").to_owned());
        let ring = self.ring();
        self.resealed_with(listed, ring.get(&kid).expect("the ACTIVE key").public())
    }

    /// `ResealSecret`, whatever comes of it.
    pub(crate) async fn reseal(&self, request: &Value) -> Answer {
        self.actor.call("RunnerKeyService/ResealSecret", request).await
    }

    fn open(&self, place: &Place<'_>, sealed: &str, kid: &str) -> String {
        let bytes = STANDARD.decode(sealed).expect("base64");
        let sealed = Sealed { bytes, kid: Kid(kid.to_owned()) };
        open(&self.ring(), place, &sealed).expect("a secret that opens").expose().to_owned()
    }
}

/// An integration as a configuration shows it.
fn one_of(configuration: &Value, id: &str) -> Value {
    let mut all = configuration["integrations"].as_array().expect("an array").iter();
    let found = all.find(|one| one["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}: {configuration}")).clone()
}
