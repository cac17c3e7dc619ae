//! What a running agent tells the server of itself: secrets of every kind that it cannot use, and its schema.
use std::{fs, time::Duration};

use sealink::{
    domain::scm::Scm,
    pb::{
        gitpod::v1::{
            HostAuthenticationTokenSource as Source, ParseContextUrlRequest, RunnerConfigurationSchema,
        },
        sealink::v1::{
            DeletedObject, ParseContextUrlCall, SecretReport, SecretState, UpdateStatusRequest,
            deleted_object, watch_configuration_response::Event, watch_requests_response::Call,
        },
    },
};
use uuid::Uuid;

use super::{
    desk::{Office, TOKEN_ID, integration, llm_integration},
    machine::{Machine, eventually},
};
use crate::forges::{self, FakeForge, TOKEN, allowed};

/// The last report about one secret.
fn last(statuses: &[UpdateStatusRequest], id: Uuid, field: &str) -> Option<(SecretState, String, u64)> {
    let mut all = statuses.iter().flat_map(|status| &status.secrets);
    let found = all.rfind(|report| report.object_id == id.to_string() && report.field == field);
    found.map(|report: &SecretReport| (report.state(), report.name.clone(), report.version))
}

fn said(machine: &Machine, id: Uuid, field: &str, state: SecretState) -> bool {
    last(&machine.live.world().statuses, id, field).is_some_and(|found| found.0 == state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_secret_that_cannot_be_used_is_reported() {
    let machine = Machine::new().await;
    let id = Uuid::from_u128(30);
    let llm = || llm_integration(&machine.key, id, ("canary-key-4711", "canary-value-4712"));
    let mut moved = llm();
    "https://evil.example.com".clone_into(&mut moved.integration.as_mut().unwrap().endpoint);
    "another".clone_into(&mut moved.header_kids[0]);
    moved.version = 4;
    machine.live.world().integrate_llm(moved);
    let agent = machine.start(machine.options());
    eventually("both are reported", || {
        said(&machine, id, "llm.api_key", SecretState::Rejected)
            && said(&machine, id, "llm.header", SecretState::Undecryptable)
    })
    .await;
    let header = last(&machine.live.world().statuses, id, "llm.header").unwrap();
    assert_eq!((header.1.as_str(), header.2), ("x-team", 4));
    machine.live.world().integrate_llm(llm());
    eventually("both are withdrawn", || {
        said(&machine, id, "llm.api_key", SecretState::Ok)
            && said(&machine, id, "llm.header", SecretState::Ok)
    })
    .await;
    agent.stop().await;
}

/// Credentials come with calls: one that cannot be opened is reported then, until it can, or until one is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_cannot_be_used_are_reported() {
    let machine = Machine::new().await;
    let forge = FakeForge::start(forges::Kind::GitHub).await;
    let (origin, host) = (forge.origin.clone(), forge.host());
    let mut options = machine.options();
    options.allowed_origins = allowed(&origin);
    machine.live.world().integrate(integration(&machine.key, Uuid::from_u128(10), Scm::GitHub, &host));
    let agent = machine.start(options);
    machine.saved_revision(2).await;
    eventually("it listens", || machine.live.world().is_listened_to()).await;
    let mut office = Office::open_with(forge, Scm::GitHub);
    office.room.key = machine.key.clone();
    let ask = |name: u128, kid: Option<&str>| {
        let mut caller = office.caller_at(&host, TOKEN, Source::Pat);
        if let Some(kid) = kid {
            kid.clone_into(&mut caller.credentials[0].kid);
        }
        let request =
            ParseContextUrlRequest { context_url: format!("{origin}/octo/hello"), ..Default::default() };
        let call = ParseContextUrlCall { caller: Some(caller), request: Some(request) };
        let id = Uuid::from_u128(name).to_string();
        machine.live.world().offer(&id, 1, 0, Some(Call::ParseContextUrl(call)));
    };
    let field = "host_token.value";
    ask(1, Some("another"));
    eventually("it is reported", || said(&machine, TOKEN_ID, field, SecretState::Undecryptable)).await;
    assert_eq!(last(&machine.live.world().statuses, TOKEN_ID, field).unwrap().2, 0, "no version is known");
    ask(2, None);
    eventually("it is withdrawn", || said(&machine, TOKEN_ID, field, SecretState::Ok)).await;
    ask(3, Some("another"));
    eventually("it is reported", || said(&machine, TOKEN_ID, field, SecretState::Undecryptable)).await;
    let gone = deleted_object::Object::HostToken(deleted_object::HostToken { host, subject: None });
    machine.live.world().change(Event::Deleted(DeletedObject { object: Some(gone) }));
    eventually("it is withdrawn", || said(&machine, TOKEN_ID, field, SecretState::Ok)).await;
    agent.stop().await;
}

fn schemas(machine: &Machine) -> Vec<RunnerConfigurationSchema> {
    machine.live.world().schemas.clone()
}

/// Once per start and history of the server, unless other software of the runner has said something better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_says_what_it_can_do() {
    let machine = Machine::new().await;
    let agent = machine.start(machine.options());
    eventually("it is reported", || schemas(&machine).len() == 1).await;
    let own = schemas(&machine).remove(0);
    assert!(own.version.starts_with("sealink-agent/"), "{}", own.version);
    let oauth: Vec<_> =
        own.scm.iter().filter(|scm| scm.oauth.is_some()).map(|scm| scm.scm_id.as_str()).collect();
    assert_eq!((own.scm.len(), oauth), (Scm::ALL.len(), vec!["github", "gitlab", "gitea", "forgejo"]));
    // A server that was restored may know nothing of it.
    {
        let mut world = machine.live.world();
        "epoch-2".clone_into(&mut world.epoch);
        world.end_streams();
    }
    eventually("it is reported again", || schemas(&machine).len() == 2).await;
    agent.stop().await;

    "7.1".clone_into(&mut machine.live.world().schema.version);
    let agent = machine.start(machine.options());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(schemas(&machine).len(), 2, "what other software reported stays");
    agent.stop().await;
}

/// What the operator wrote down takes the place of everything, again whenever it changes; what is no schema degrades.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_schema_is_reported_and_again_when_it_changes() {
    let machine = Machine::new().await;
    "7.1".clone_into(&mut machine.live.world().schema.version);
    let file = machine.path("schema.json");
    fs::write(&file, r#"{"version": "mine-1", "scm": [{"scmId": "github", "pat": {}}]}"#).unwrap();
    let mut options = machine.options();
    options.schema = Some(file.clone());
    let agent = machine.start(options);
    eventually("it is reported", || schemas(&machine).len() == 1).await;
    let degraded = |words: &str| {
        let world = machine.live.world();
        let last = world.statuses.last().and_then(|last| last.degradation_message.clone());
        last.is_some_and(|said| if words.is_empty() { said.is_empty() } else { said.contains(words) })
    };
    fs::write(&file, "{").unwrap();
    eventually("it says so", || degraded("is no runner configuration schema")).await;
    fs::write(&file, r#"{"version": "mine-2"}"#).unwrap();
    eventually("the new one is reported", || schemas(&machine).len() == 2).await;
    let versions: Vec<_> = schemas(&machine).into_iter().map(|schema| schema.version).collect();
    assert_eq!(versions, ["mine-1", "mine-2"]);
    eventually("all is well", || degraded("")).await;
    agent.stop().await;
}

/// A server that says when to come back is not asked before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_says_when_to_come_back() {
    let machine = Machine::new().await;
    let agent = machine.start(machine.options());
    machine.saved_revision(1).await;
    eventually("it listens", || machine.live.world().is_listened_to()).await;
    let ended = std::time::Instant::now();
    machine.live.world().end_streams_for(Duration::from_secs(4));
    eventually("it is back", || {
        let world = machine.live.world();
        world.is_watched() || world.is_listened_to()
    })
    .await;
    assert!(ended.elapsed() >= Duration::from_secs(4), "after {:?}", ended.elapsed());
    eventually("all of it", || machine.live.world().is_watched()).await;
    agent.stop().await;
}
