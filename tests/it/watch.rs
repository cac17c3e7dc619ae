//! A runner's configuration as it changes: nothing missed, nothing out of order.
use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Actor, Agent, EventStream, TestServer, on_both_stores};

fn revision(message: &Value) -> u64 {
    message["revision"].as_str().expect("a revision").parse().expect("a number")
}

/// What an agent has: its objects, put together from everything it was told.
#[derive(Default)]
struct View {
    epoch: String,
    revision: u64,
    snapshots: usize,
    integrations: BTreeMap<String, Value>,
    spec: Value,
}

impl View {
    /// Takes a message in. A revision may only be the next one, but a snapshot's.
    fn take(&mut self, message: &Value) {
        let revision = revision(message);
        if let Some(snapshot) = message.get("snapshot") {
            let mut anew = Self { snapshots: self.snapshots + 1, ..Self::default() };
            for object in snapshot["objects"].as_array().expect("objects") {
                anew.put(object);
            }
            *self = anew;
        } else {
            assert_eq!(revision, self.revision + 1, "{message}");
            match message.get("put") {
                Some(object) => self.put(object),
                None => drop(self.integrations.remove(id(&message["deleted"]["scmIntegrationId"]))),
            }
        }
        self.revision = revision;
        message["epoch"].as_str().expect("an epoch").clone_into(&mut self.epoch);
    }

    fn put(&mut self, object: &Value) {
        if let Some(one) = object.get("scmIntegration") {
            self.integrations.insert(id(&one["id"]).to_owned(), one.clone());
        } else {
            self.spec = object["spec"]["spec"].clone();
        }
    }

    /// Reads until the view is at `revision`.
    async fn follow(&mut self, stream: &mut EventStream, revision: u64) {
        while self.revision < revision {
            self.take(&stream.next().await);
        }
    }

    /// It is what `GetConfiguration` says.
    async fn assert_current(&self, agent: &Agent) {
        let now = agent.configuration().await;
        assert_eq!(revision(&now), self.revision);
        let all = now["integrations"].as_array().cloned().unwrap_or_default();
        let all: BTreeMap<_, _> = all.into_iter().map(|one| (id(&one["id"]).to_owned(), one)).collect();
        assert_eq!(all, self.integrations);
        assert_eq!(now["spec"], self.spec);
    }
}

fn id(value: &Value) -> &str {
    value.as_str().expect("an id")
}

async fn at(agent: &Agent) -> u64 {
    revision(&agent.configuration().await)
}

/// First everything, then each change as it comes, whole.
async fn a_watch_starts_with_a_snapshot_and_goes_on(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let first = admin.integrate(&agent.runner, &json!({})).await;
    let mut stream = agent.watch("", 0).await;
    let mut view = View::default();
    view.take(&stream.next().await);
    assert_eq!(view.integrations.keys().collect::<Vec<_>>(), [&first]);
    view.assert_current(&agent).await;

    let second = admin.integrate(&agent.runner, &json!({ "host": "ghe.example.com", "pat": true })).await;
    let put = stream.next().await;
    assert_eq!(put["put"]["scmIntegration"], agent.configured(&second).await);
    view.take(&put);
    admin.update_integration(&first, &json!({ "pat": true })).await.ok();
    let put = stream.next().await;
    assert_eq!(put["put"]["scmIntegration"], agent.configured(&first).await);
    view.take(&put);
    admin.update_runner(&agent.runner, &json!({ "configuration": { "autoUpdate": true } })).await.ok();
    view.take(&stream.next().await);
    assert_eq!(view.spec["configuration"]["autoUpdate"], true);
    admin.delete_integration(&first).await.ok();
    let deleted = stream.next().await;
    assert_eq!(deleted["deleted"], json!({ "scmIntegrationId": first }));
    view.take(&deleted);
    view.assert_current(&agent).await;
    // Another runner's changes are none of its business.
    admin.integrate(&admin.register().await.runner, &json!({})).await;
    admin.integrate_pat(&agent.runner, "own.example.com").await;
    assert_eq!(id(&stream.next().await["put"]["scmIntegration"]["host"]), "own.example.com");
}

/// Who comes back gets exactly what it missed, and no snapshot; also if that is nothing.
async fn a_watch_resumes_where_it_was(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let mut view = View::default();
    view.take(&agent.watch("", 0).await.next().await);
    let mut same = agent.watch(&view.epoch, view.revision).await;
    let id = admin.integrate(&agent.runner, &json!({})).await;
    assert_eq!(revision(&same.next().await), view.revision + 1);
    // More than is read at once.
    for round in 0..300 {
        admin.update_integration(&id, &json!({ "pat": round % 2 == 0 })).await.ok();
    }
    admin.delete_integration(&id).await.ok();
    let last = at(&agent).await;
    assert_eq!(last, view.revision + 302);
    let mut stream = agent.watch(&view.epoch, view.revision).await;
    view.follow(&mut stream, last).await;
    assert_eq!(view.snapshots, 1);
    view.assert_current(&agent).await;
    admin.integrate_pat(&agent.runner, "live.example.com").await;
    view.follow(&mut stream, last + 1).await;
    view.assert_current(&agent).await;
}

/// Where there is nothing to resume from, there is a snapshot.
async fn what_cannot_be_resumed_starts_anew(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    for host in ["a.example.com", "b.example.com", "c.example.com"] {
        admin.integrate_pat(&agent.runner, host).await;
    }
    let now = agent.configuration().await;
    let (epoch, last) = (id(&now["epoch"]).to_owned(), revision(&now));
    for (epoch, after, why) in [
        ("", last, "no epoch"),
        ("0198a7c0-0000-7000-8000-0000000000ff", last, "another history"),
        (epoch.as_str(), 0, "the first call"),
        (&epoch, last + 1, "ahead of the server"),
        (&epoch, u64::MAX, "far ahead"),
    ] {
        let first = agent.watch(epoch, after).await.next().await;
        assert_eq!(first["snapshot"]["objects"].as_array().map(Vec::len), Some(4), "{why}: {first}");
        assert_eq!((revision(&first), id(&first["epoch"])), (last, epoch_of(&now)), "{why}");
    }
    let forget = "DELETE FROM configuration_change WHERE revision <= \
        (SELECT max(revision) - 2 FROM configuration_change)";
    assert!(server.database().execute(forget).await > 0);
    let first = agent.watch(&epoch, last - 3).await.next().await;
    assert!(first.get("snapshot").is_some(), "forgotten: {first}");
    let first = agent.watch(&epoch, last - 2).await.next().await;
    assert_eq!(revision(&first), last - 1, "still there: {first}");
}

fn epoch_of(configuration: &Value) -> &str {
    id(&configuration["epoch"])
}

async fn churn(admin: &Actor, agent: &Agent, writer: usize) {
    let host = format!("w{writer}.example.com");
    let mut integration = admin.integrate_pat(&agent.runner, &host).await;
    for round in 0..25 {
        if round % 5 == 4 {
            admin.delete_integration(&integration).await.ok();
            integration = admin.integrate_pat(&agent.runner, &host).await;
        } else {
            let change = json!({
                "oauthClientId": format!("id-{round}"), "oauthPlaintextClientSecret": "client_secret",
            });
            admin.update_integration(&integration, &change).await.ok();
        }
    }
}

/// However many write at once, and however often one comes back: every revision, each once, in order.
async fn many_writers_and_watchers_agree(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let writers = async { join_all((0..4).map(|writer| churn(&admin, &agent, writer))).await };
    let expected = at(&agent).await + 4 * (1 + 20 + 10);
    let steady = async {
        let (mut view, mut stream) = (View::default(), agent.watch("", 0).await);
        view.follow(&mut stream, expected).await;
        view
    };
    let restless = async {
        let mut view = View::default();
        while view.revision < expected {
            let mut stream = agent.watch(&view.epoch, view.revision).await;
            let next = (view.revision + 7).min(expected);
            view.follow(&mut stream, next).await;
        }
        view
    };
    let (_, one, two, restless) = tokio::join!(writers, steady, steady_again(&agent, expected), restless);
    for view in [one, two, restless] {
        assert_eq!(view.snapshots, 1);
        view.assert_current(&agent).await;
    }
}

async fn steady_again(agent: &Agent, expected: u64) -> View {
    let (mut view, mut stream) = (View::default(), agent.watch("", 0).await);
    view.follow(&mut stream, expected).await;
    view
}

on_both_stores!(
    a_watch_starts_with_a_snapshot_and_goes_on,
    a_watch_resumes_where_it_was,
    what_cannot_be_resumed_starts_anew,
    many_writers_and_watchers_agree,
);

/// A watcher picks up after a restart of the server, whatever changed before or after it.
async fn a_restart_is_no_gap(server: &mut TestServer) {
    let admin = server.admin();
    let mut agent = admin.register().await;
    let mut view = View::default();
    view.take(&agent.watch("", 0).await.next().await);
    admin.integrate_pat(&agent.runner, "before.example.com").await;
    server.restart().await;
    let admin = server.admin();
    let token = agent.actor.token.clone().expect("a token");
    agent.actor = admin.with_token(&token);
    let mut stream = agent.watch(&view.epoch, view.revision).await;
    admin.integrate_pat(&agent.runner, "after.example.com").await;
    let last = at(&agent).await;
    view.follow(&mut stream, last).await;
    assert_eq!(view.snapshots, 1);
    view.assert_current(&agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_no_gap_on_sqlite() {
    a_restart_is_no_gap(&mut TestServer::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a_restart_is_no_gap_on_postgres() {
    let mut server = TestServer::start_on_postgres().await;
    a_restart_is_no_gap(&mut server).await;
    server.stop().await;
}
