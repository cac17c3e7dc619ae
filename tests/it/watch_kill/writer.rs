//! Who changes things, one change after another, and notes what was answered.
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::store::process::{Client, Server};

/// Between two changes of one writer, so that the agent keeps up.
const PAUSE: Duration = Duration::from_millis(10);

/// How many changes come before a kill, at least.
const ANSWERS: usize = 10;

/// One change in the order they were made.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The host of an integration, the name of a class: nobody else has it.
    pub(super) name: String,
    pub(super) deletes: bool,
    /// Whether there was an answer; else it may be there, or not.
    pub(super) answered: bool,
}

/// Makes integrations and classes of its own, changes and deletes them.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) number: usize,
    runner: String,
    made: usize,
    /// What has an id, by it.
    pub(super) names: BTreeMap<String, String>,
    pub(super) journal: Vec<Change>,
}

/// Writers at work.
pub(super) struct Writing {
    tasks: Vec<JoinHandle<Writer>>,
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
}

/// Sets all writers to work, at one server after the other.
pub(super) fn start(writers: &mut Vec<Writer>, servers: &[Server]) -> Writing {
    let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let tasks = writers.drain(..).zip(servers.iter().cycle()).map(|(mut writer, server)| {
        let (client, stop, answers) = (Client::new(server), Arc::clone(&stop), Arc::clone(&answers));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) && writer.one_life(&client, &answers).await.is_some() {}
            writer
        })
    });
    let tasks = tasks.collect();
    Writing { tasks, stop, answers }
}

impl Writing {
    /// A kill before there were answers proves nothing.
    pub(super) async fn some_answers(&self) {
        while self.answers.load(Ordering::Relaxed) < ANSWERS {
            assert!(!self.tasks.iter().all(JoinHandle::is_finished), "too few were answered");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many changes were answered so far.
    pub(super) fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Lets each finish what it does.
    pub(super) async fn stop(self, writers: &mut Vec<Writer>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            writers.push(task.await.expect("no panic"));
        }
    }
}

impl Writer {
    pub(super) fn new(number: usize, runner: &str) -> Self {
        Self { number, runner: runner.to_owned(), made: 0, names: BTreeMap::new(), journal: Vec::new() }
    }

    /// How many changes were answered.
    pub(super) fn answered(&self) -> usize {
        self.journal.iter().filter(|change| change.answered).count()
    }

    /// How many were not.
    pub(super) fn doubtful(&self) -> usize {
        self.journal.len() - self.answered()
    }

    /// The life of one object; `None` once the server is gone.
    async fn one_life(&mut self, client: &Client, answers: &AtomicUsize) -> Option<()> {
        self.made += 1;
        let name = format!("w{}-{}.example.com", self.number, self.made);
        if self.made.is_multiple_of(3) {
            return self.class(client, answers, &name).await;
        }
        let mut new = json!({ "runnerId": self.runner, "scmId": "github", "host": name, "pat": true });
        if self.made % 3 == 1 {
            new["oauthClientId"] = json!("client");
            new["oauthPlaintextClientSecret"] = json!("canary-watched-secret-4711");
        }
        let made = self.change(client, answers, &name, "CreateSCMIntegration", &new).await?;
        let id = &made["id"];
        // Some stay, some change, some go.
        if self.made.is_multiple_of(2) {
            let change = json!({
                "id": id, "oauthClientId": "another", "oauthPlaintextClientSecret": "canary-newer-secret-4711",
            });
            self.change(client, answers, &name, "UpdateSCMIntegration", &change).await?;
        }
        if self.made % 4 < 2 {
            self.change(client, answers, &name, "DeleteSCMIntegration", &json!({ "id": id })).await?;
        }
        Some(())
    }

    async fn class(&mut self, client: &Client, answers: &AtomicUsize, name: &str) -> Option<()> {
        let new = json!({ "runnerId": self.runner, "displayName": name, "description": "as new" });
        let made = self.change(client, answers, name, "CreateEnvironmentClass", &new).await?;
        let change = json!({ "environmentClassId": made["id"], "description": "as changed" });
        self.change(client, answers, name, "UpdateEnvironmentClass", &change).await?;
        Some(())
    }

    /// One change, noted before it is sent; `None` if nothing was answered.
    async fn change(
        &mut self,
        client: &Client,
        answers: &AtomicUsize,
        name: &str,
        method: &str,
        body: &Value,
    ) -> Option<Value> {
        let deletes = method.starts_with("Delete");
        self.journal.push(Change { name: name.to_owned(), deletes, answered: false });
        let (status, answer) = client.call(method, body).await?;
        assert_eq!(status, 200, "{method}: {answer}");
        self.journal.last_mut().expect("it is noted").answered = true;
        if let Some(id) = answer["id"].as_str() {
            self.names.insert(id.to_owned(), name.to_owned());
        }
        answers.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
        Some(answer)
    }
}
