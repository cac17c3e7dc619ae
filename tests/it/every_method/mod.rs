//! Every method there is, taken from the descriptors: one valid request, answered OK, with an effect that shows.
//!
//! A method without a case fails, and so does a case without a method. What only a live agent can answer is answered
//! by one, which asks a fake forge.
mod configuration;
mod groups;
mod identity;
mod live;
mod llm_integrations;
mod runners;
mod tokens;

use std::{cell::Cell, collections::BTreeMap, ops::Deref};

use futures_util::future::LocalBoxFuture;
use prost::Message;
use sealink::pb;
use serde_json::{Value, json};

use crate::{
    forges::{CLIENT_ID, CLIENT_SECRET, FakeForge, Kind, TOKEN},
    live_agent::real::RealAgent,
    support::{Actor, TestServer},
};

const SERVICES: [&str; 4] =
    ["RunnerConfigurationService", "RunnerService", "IdentityService", "GroupService"];
/// The only method that cannot be answered.
const UNIMPLEMENTED: &str = "IdentityService/GetIDToken";

type Run = for<'a> fn(&'a Case<'a>) -> LocalBoxFuture<'a, ()>;
type Cases = &'static [(&'static str, Run)];

/// Names of methods, and for each the function that is its case.
macro_rules! cases {
    ($($method:literal => $case:path),* $(,)?) => {
        &[$(($method, |case| Box::pin($case(case)))),*]
    };
}
use cases;

fn all_cases() -> BTreeMap<String, Run> {
    let all: [(&str, Cases); 7] = [
        ("RunnerConfigurationService", configuration::CASES),
        ("RunnerConfigurationService", tokens::CASES),
        ("RunnerConfigurationService", llm_integrations::CASES),
        ("RunnerService", runners::CASES),
        ("RunnerService", live::CASES),
        ("IdentityService", identity::CASES),
        ("GroupService", groups::CASES),
    ];
    let named = |service| move |(method, run): &(&str, Run)| (format!("{service}/{method}"), *run);
    all.iter().flat_map(|(service, cases)| cases.iter().map(named(service))).collect()
}

/// `Service/Method` of everything in `SERVICES`.
fn methods() -> Vec<String> {
    let files = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).expect("descriptors").file;
    let services = files.iter().filter(|file| file.package() == "gitpod.v1").flat_map(|file| &file.service);
    let served = services.filter(|service| SERVICES.contains(&service.name()));
    let name = |service: &str| {
        let service = service.to_owned();
        move |method: &prost_types::MethodDescriptorProto| format!("{service}/{}", method.name())
    };
    let mut found: Vec<_> =
        served.flat_map(|service| service.method.iter().map(name(service.name()))).collect();
    found.sort_unstable();
    found
}

/// A server, a forge, and a runner with a live agent between them.
struct Scene<'a> {
    server: &'a TestServer,
    admin: Actor,
    forge: FakeForge,
    /// Its runner serves the forge, where `admin` has a token.
    live: RealAgent,
}

impl<'a> Scene<'a> {
    async fn new(server: &'a TestServer, forge: FakeForge) -> Self {
        let admin = server.admin();
        let live = RealAgent::start(server, &admin, &forge.origin).await;
        let over = json!({
            "host": forge.host(), "pat": true, "oauthClientId": CLIENT_ID,
            "oauthPlaintextClientSecret": CLIENT_SECRET,
        });
        admin.integrate(&live.runner, &over).await;
        admin.store_token(&live.runner, &json!({ "host": forge.host(), "token": TOKEN })).await;
        Self { server, admin, forge, live }
    }
}

/// One method in a scene.
struct Case<'a> {
    scene: &'a Scene<'a>,
    method: String,
    asked: Cell<usize>,
}

impl<'a> Deref for Case<'a> {
    type Target = Scene<'a>;

    fn deref(&self) -> &Scene<'a> {
        self.scene
    }
}

impl Case<'_> {
    /// The answer to the method's one valid request.
    async fn ask(&self, request: &Value) -> Value {
        self.ask_as(&self.admin, request).await
    }

    /// The same from somebody else.
    async fn ask_as(&self, actor: &Actor, request: &Value) -> Value {
        self.asked.set(self.asked.get() + 1);
        actor.call(&self.method, request).await.ok()
    }
}

/// The members `name` of the objects in a list of an answer.
fn column(answer: &Value, list: &str, name: &str) -> Vec<Value> {
    let rows = answer[list].as_array().expect("always there");
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn every_method_has_a_case_and_every_case_a_method() {
    let mut known: Vec<_> = all_cases().into_keys().chain([UNIMPLEMENTED.to_owned()]).collect();
    known.sort_unstable();
    assert_eq!(known, methods());
}

async fn every_case_holds(server: &TestServer, forge: FakeForge) {
    let scene = Scene::new(server, forge).await;
    for (method, run) in all_cases() {
        let case = Case { scene: &scene, method, asked: Cell::new(0) };
        run(&case).await;
        assert_eq!(case.asked.get(), 1, "{} was asked once", case.method);
    }
    let refused = scene.admin.call(UNIMPLEMENTED, &json!({ "audience": ["somebody"] })).await;
    refused.refused(501, "unimplemented", "");
    scene.live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_does_what_it_says_on_sqlite() {
    let forge = FakeForge::start(Kind::GitHub).await;
    let server = TestServer::start_with(&[("scm.allowed_origins", &forge.origin)]).await;
    every_case_holds(&server, forge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn every_method_does_what_it_says_on_postgres() {
    let forge = FakeForge::start(Kind::GitHub).await;
    let server = TestServer::start_on_postgres_with(&[("scm.allowed_origins", &forge.origin)]).await;
    every_case_holds(&server, forge).await;
    server.stop().await;
}
