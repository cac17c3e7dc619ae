//! Following the configuration, reporting, and being refused.
use std::time::Duration;

use sealink::{
    domain::{id::RunnerId, scm::Scm},
    error::Kind,
    pb::{
        gitpod::v1::{HostAuthenticationTokenSource as Source, ParseContextUrlRequest},
        sealink::v1::{
            ConfiguredIntegration, DeletedObject, KeepAlive, ParseContextUrlCall, SecretReport, SecretState,
            TailLogCall, UpdateStatusRequest, WatchConfigurationResponse,
            send_response_request::Result as Reply, watch_configuration_response::Event,
            watch_requests_response::Call,
        },
    },
    seal::open::PrivateKey,
};
use uuid::Uuid;

use super::{
    desk::{Office, integration},
    machine::{Machine, eventually},
};
use crate::forges::{self, FakeForge, TOKEN, allowed};

fn github(machine: &Machine, id: u128, host: &str) -> ConfiguredIntegration {
    integration(&machine.key, Uuid::from_u128(id), Scm::GitHub, host)
}

/// The last report about one object, by every status that was sent.
fn reported(statuses: &[UpdateStatusRequest], id: &str) -> Option<SecretState> {
    let mut all = statuses.iter().flat_map(|status| &status.secrets);
    all.rfind(|report| report.object_id == id).map(SecretReport::state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_arrives_and_is_saved() {
    let machine = Machine::new().await;
    machine.live.world().integrate(github(&machine, 10, "github.com"));
    let agent = machine.start(machine.options());
    machine.saved_revision(2).await;
    machine.live.world().integrate(github(&machine, 11, "git.example.com"));
    machine.saved_revision(3).await;
    machine.live.world().delete(&Uuid::from_u128(10).to_string());
    machine.saved_revision(4).await;
    let saved = machine.saved().unwrap();
    let hosts: Vec<_> = saved.integrations().map(|one| one.host.as_str()).collect();
    assert_eq!((hosts, saved.epoch.as_str()), (vec!["git.example.com"], "epoch-1"));
    // As received: what is on the disk is ciphertext.
    let bytes = std::fs::read(machine.path("agent/configuration")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("git.example.com") && !text.contains(forges::CLIENT_SECRET));

    eventually("it introduced itself", || !machine.live.world().statuses.is_empty()).await;
    eventually("it lives", || machine.live.world().heartbeats >= 2).await;
    {
        let world = machine.live.world();
        let first = &world.statuses[0];
        assert_eq!(first.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!((first.degradation_message.as_deref(), first.capabilities.len()), (Some(""), 2));
        assert!(Uuid::try_parse(&first.agent_id).is_ok());
        assert_eq!((world.watches[0].epoch.as_str(), world.watches[0].after_revision), ("", 0));
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_resumes_where_it_was_after_the_server_and_after_itself() {
    let mut machine = Machine::new().await;
    machine.live.world().integrate(github(&machine, 10, "github.com"));
    let agent = machine.start(machine.options());
    machine.saved_revision(2).await;
    let id = machine.live.world().watches[0].agent_id.clone();

    // A server that stops says so; one that vanishes does not.
    machine.live.world().end_streams();
    eventually("it watches again", || machine.live.world().is_watched()).await;
    machine.live.vanish().await;
    machine.live.world().integrate(github(&machine, 11, "git.example.com"));
    machine.live.come_back().await;
    machine.saved_revision(3).await;
    for (at, watch) in machine.live.world().watches.iter().enumerate().skip(1) {
        assert_eq!((watch.epoch.as_str(), watch.after_revision), ("epoch-1", 2), "watch {at}");
    }
    agent.stop().await;

    let before = machine.live.world().watches.len();
    let again = machine.start(machine.options());
    eventually("it watches again", || machine.live.world().watches.len() > before).await;
    {
        let world = machine.live.world();
        let last = world.watches.last().unwrap();
        assert_eq!((last.after_revision, &last.agent_id), (3, &id), "the same agent, at the last revision");
    }
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_is_followed_from_nothing() {
    let machine = Machine::new().await;
    machine.live.world().integrate(github(&machine, 10, "github.com"));
    machine.live.world().integrate(github(&machine, 11, "git.example.com"));
    let agent = machine.start(machine.options());
    machine.saved_revision(3).await;
    {
        let mut world = machine.live.world();
        "epoch-2".clone_into(&mut world.epoch);
        world.revision = 1;
        world.integrations.truncate(1);
        // First as a change without a snapshot, which an honest server never sends.
        let event = Some(Event::Deleted(DeletedObject::default()));
        let change = WatchConfigurationResponse { epoch: "epoch-2".to_owned(), revision: 1, event };
        world.say(&change);
    }
    machine.saved_revision(1).await;
    let saved = machine.saved().unwrap();
    assert_eq!((saved.epoch.as_str(), saved.integrations().count()), ("epoch-2", 1));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_alives_confirm_what_is_known() {
    let machine = Machine::new().await;
    let agent = machine.start(machine.options());
    machine.saved_revision(1).await;
    let before = machine.saved().unwrap().confirmed_at;
    let event = Some(Event::KeepAlive(KeepAlive {}));
    let alive = WatchConfigurationResponse { epoch: "epoch-1".to_owned(), revision: 1, event };
    machine.live.world().say(&alive);
    machine.live.world().integrate(github(&machine, 10, "github.com"));
    machine.saved_revision(2).await;
    assert!(machine.saved().unwrap().confirmed_at > before);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_that_cannot_be_used_are_reported_and_withdrawn() {
    let machine = Machine::new().await;
    let good = github(&machine, 10, "github.com");
    let mut moved = github(&machine, 11, "git.example.com");
    "evil.example.com".clone_into(&mut moved.host);
    let mut foreign = github(&machine, 12, "hub.example.com");
    "another".clone_into(&mut foreign.kid);
    let ids = [&good, &moved, &foreign].map(|one| one.id.clone());
    for one in [good, moved, foreign] {
        machine.live.world().integrate(one);
    }
    let agent = machine.start(machine.options());
    let says = |at: usize, state| {
        let world = machine.live.world();
        reported(&world.statuses, &ids[at]) == state
    };
    eventually("both are reported", || {
        says(1, Some(SecretState::Rejected)) && says(2, Some(SecretState::Undecryptable))
    })
    .await;
    assert!(says(0, None), "what is good is not reported");
    let mut mended = github(&machine, 11, "evil.example.com");
    mended.version = 2;
    machine.live.world().integrate(mended);
    eventually("the report is withdrawn", || says(1, Some(SecretState::Ok))).await;
    agent.stop().await;
}

/// Rotation on another machine that shares the directory: the key is there before the server names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_active_key_is_read_from_the_directory_and_a_foreign_one_ends_the_agent() {
    let machine = Machine::new().await;
    let agent = machine.start(machine.options());
    machine.saved_revision(1).await;
    let new = machine.keys.generate(2_048).unwrap().public().clone();
    machine.live.world().keys.insert(0, new.clone());
    machine.live.world().integrate(integration(&new, Uuid::from_u128(10), Scm::GitHub, "github.com"));
    machine.saved_revision(2).await;
    let beats = machine.live.world().heartbeats;
    eventually("it goes on", || machine.live.world().heartbeats > beats + 2).await;
    assert_eq!(machine.live.world().statuses.iter().map(|one| one.secrets.len()).sum::<usize>(), 0);

    let foreign = PrivateKey::generate_rsa(2_048).unwrap().public().clone();
    machine.live.world().keys.insert(0, foreign.clone());
    let error = agent.fails().await;
    assert_eq!(error.kind(), Kind::Precondition);
    assert!(error.message().contains("ACTIVE") && error.message().contains("--key-dir"), "{error}");
    // And it does not start either.
    let error = machine.start(machine.options()).fails().await;
    assert!(error.message().contains(&foreign.fingerprint()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_or_another_runners_configuration_ends_the_agent() {
    let machine = Machine::new().await;
    let agent = machine.start(machine.options());
    machine.saved_revision(1).await;
    machine.live.world().refuses_token = true;
    assert_eq!(agent.fails().await.kind(), Kind::Unauthenticated);
    assert_eq!(machine.start(machine.options()).fails().await.kind(), Kind::Unauthenticated);
    {
        let mut world = machine.live.world();
        world.refuses_token = false;
        world.runner = RunnerId(Uuid::from_u128(2)).to_string();
        "epoch-2".clone_into(&mut world.epoch);
    }
    let error = machine.start(machine.options()).fails().await;
    assert!(error.message().contains("another runner"), "{error}");
    assert_eq!(machine.saved().unwrap().epoch, "epoch-1", "what was saved stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_runs_as_one_agent() {
    let machine = Machine::new().await;
    let agent = machine.start(machine.options());
    machine.saved_revision(1).await;
    let error = machine.start(machine.options()).fails().await;
    assert!(error.message().contains("--agent-dir"), "{error}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_once_and_wait_for_their_revision() {
    let machine = Machine::new().await;
    let forge = FakeForge::start(forges::Kind::GitHub).await;
    let (origin, host) = (forge.origin.clone(), forge.host());
    // Only for its keys: the desk under test is the running agent's.
    let mut options = machine.options();
    options.allowed_origins = allowed(&origin);
    let agent = machine.start(options);
    eventually("it listens", || machine.live.world().is_listened_to()).await;

    let mut office = Office::open_with(forge, Scm::GitHub);
    office.room.key = machine.key.clone();
    let request =
        ParseContextUrlRequest { context_url: format!("{origin}/octo/hello"), ..Default::default() };
    let caller = Some(office.caller_at(&host, TOKEN, Source::Pat));
    let call = Call::ParseContextUrl(ParseContextUrlCall { caller, request: Some(request) });
    let [early, tail, unknown] = [1, 2, 3].map(|id| Uuid::from_u128(id).to_string());
    {
        let mut world = machine.live.world();
        // Made at a revision that the agent does not have yet, and offered twice.
        world.offer(&early, 1, 2, Some(call.clone()));
        world.offer(&early, 2, 2, Some(call));
        world.offer(&tail, 1, 0, Some(Call::TailLog(TailLogCall { max_bytes: 100 })));
        world.offer(&unknown, 1, 0, None);
        world.offer("", 0, 0, Some(Call::KeepAlive(KeepAlive {})));
    }
    eventually("the others are answered", || machine.live.world().responses.len() == 2).await;
    machine.live.world().integrate(github(&machine, 10, &host));
    eventually("it is answered", || machine.live.world().responses.len() == 3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let responses = machine.live.world().responses.clone();
    let answer = |id: &str| {
        let found: Vec<_> = responses.iter().filter(|one| one.request_id == id).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].attempt, found[0].result.clone().unwrap())
    };
    let (attempt, found) = answer(&early);
    let Reply::ParseContextUrl(found) = found else { panic!("{found:?}") };
    assert_eq!((attempt, found.response.unwrap().git.unwrap().branch.as_str()), (2, "main"));
    assert!(matches!(answer(&tail).1, Reply::TailLog(_)));
    let Reply::Error(error) = answer(&unknown).1 else { panic!("no error") };
    assert_eq!(error.code().as_str_name(), "CALL_ERROR_CODE_UNIMPLEMENTED");
    agent.stop().await;
}
