//! `sealink agent run` as a process, and the record that its command writes.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::writer::{Change, Writer};
use crate::store::process::Server;

const PATIENCE: Duration = Duration::from_mins(3);
/// One line for each change that is told: written at once, so that a kill leaves it whole or not there.
const HOOK: &str =
    r#"object=$(cat); printf '%s %s %s\n' "$SEALINK_REVISION" "$SEALINK_EVENT" "$object" >>"$RECORD""#;

/// One line of the record.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) revision: u64,
    event: String,
    object: Value,
}

impl Seen {
    fn parse(line: &str) -> Self {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("half a line: {line:?}"));
        Self {
            revision: word().parse().expect("a revision"),
            event: word().to_owned(),
            object: serde_json::from_str(word()).expect("JSON"),
        }
    }

    /// The id of what it is about.
    fn id(&self) -> &str {
        let of = |value: &Value| value.as_str().map(str::len).is_some();
        let places =
            [&self.object["id"], &self.object["environmentClass"]["id"], &self.object["environmentClassId"]];
        let id = places.into_iter().find(|value| of(value)).unwrap_or_else(|| panic!("no id: {self:?}"));
        id.as_str().expect("text")
    }

    /// What its writer calls it, as long as it is there.
    fn name(&self) -> Option<&str> {
        [&self.object["host"], &self.object["environmentClass"]["displayName"]]
            .into_iter()
            .find_map(Value::as_str)
    }
}

/// The agent of a runner, and what it was told.
pub(super) struct Watcher {
    pub(super) runner: String,
    agent_dir: PathBuf,
    record: PathBuf,
    url: String,
    process: Option<Child>,
}

impl Watcher {
    /// A runner with an agent that is registered.
    pub(super) fn register(server: &Server, directory: &Path) -> Self {
        let (once, agent_dir) = (directory.join("once"), directory.join("agent"));
        let create = ["runner", "create", "endure", "--exchange-token-file", once.to_str().unwrap()];
        let runner = server.cli(&create, Stdio::null());
        let stdin = fs::File::open(&once).unwrap().into();
        server.cli(&["agent", "register", "--agent-dir", agent_dir.to_str().unwrap()], stdin);
        let record = directory.join("record");
        Self { runner, agent_dir, record, url: server.url.clone(), process: None }
    }

    /// Starts the agent; it need not be up when this returns.
    pub(super) fn start(&mut self) {
        let log =
            fs::File::options().create(true).append(true).open(self.record.with_extension("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
        command.args(["agent", "run", "--on-change", HOOK, "--agent-dir"]).arg(&self.agent_dir);
        command.env("SEALINK_URL", &self.url).env("RECORD", &self.record).env_remove("SEALINK_TOKEN");
        // What it has started is killed with it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        self.process = Some(command.spawn().unwrap());
    }

    /// SIGKILL, to the agent and its command alike.
    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().expect("running");
        assert!(process.try_wait().unwrap().is_none(), "the agent has ended: {}", self.log());
        signal(&process, rustix::process::Signal::KILL);
        process.wait().unwrap();
    }

    /// SIGTERM, and its end.
    pub(super) fn stop(&mut self) {
        let mut process = self.process.take().expect("running");
        signal(&process, rustix::process::Signal::TERM);
        assert!(process.wait().unwrap().success(), "{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.record.with_extension("log")).unwrap_or_default()
    }

    /// Everything that was told so far.
    fn record(&self) -> Vec<Seen> {
        let text = fs::read_to_string(&self.record).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| Seen::parse(line.trim()))
            .collect()
    }

    /// Waits for the first of everything, and until it is on the disk: from then on it goes on, and does not begin
    /// anew.
    pub(super) async fn until_begun(&self) {
        self.until(|| self.told() > 0 && self.agent_dir.join("configuration").exists()).await;
    }

    /// How many lines there are by now.
    pub(super) fn told(&self) -> usize {
        let bytes = fs::read(&self.record).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').count() - 1
    }

    /// Waits until so many lines are there.
    pub(super) async fn until_told(&self, lines: usize) {
        self.until(|| self.told() >= lines).await;
    }

    /// Waits until this revision is told.
    pub(super) async fn until_revision(&self, revision: u64) {
        self.until(|| self.record().last().is_some_and(|seen| seen.revision >= revision)).await;
    }

    /// Waits for something to be told.
    async fn until(&self, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "it was not told: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn fetched(&self, server: &Server) -> Value {
        let fetch = ["agent", "fetch", "--json", "--reveal", "--agent-dir", self.agent_dir.to_str().unwrap()];
        serde_json::from_str(&server.cli(&fetch, Stdio::null())).expect("JSON")
    }

    pub(super) fn revision_of_server(&self, server: &Server) -> u64 {
        self.fetched(server)["revision"].as_u64().expect("a number")
    }

    /// How many changes were told again because the agent was killed before it could save them.
    pub(super) fn told_twice(&self) -> usize {
        self.record().windows(2).filter(|pair| pair[0].revision == pair[1].revision).count()
    }

    /// The record is what was written: every revision once or again at once, nothing skipped, of each writer what it
    /// made in the order it made it, and in the end what the server has.
    pub(super) fn compare(&self, server: &Server, writers: &[Writer]) {
        let record = self.record();
        assert_eq!(record[0].event, "snapshot");
        for pair in record.windows(2) {
            let step = pair[1].revision.checked_sub(pair[0].revision);
            assert!(matches!(step, Some(0 | 1)), "{} is told after {}", pair[1].revision, pair[0].revision);
            let again = step == Some(0) && pair[0].event == "snapshot";
            assert!(pair[1].event != "snapshot" || again, "all over again at {}", pair[1].revision);
        }
        let (events, state) = fold(&record, writers);
        for writer in writers {
            follows(&events, writer);
        }
        let known: usize = writers.iter().map(|writer| count(&events, writer)).sum();
        assert_eq!(known, events.len(), "somebody else has made changes");
        let fetched = self.fetched(server);
        let kept = fetched["integrations"].as_array().expect("always there").iter();
        let kept: BTreeMap<_, _> =
            kept.map(|one| (one["id"].as_str().expect("an id").to_owned(), one.clone())).collect();
        assert_eq!(state, kept, "the agent's machine has something else than the server");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, rustix::process::Signal::KILL);
            let _ = process.wait();
        }
    }
}

fn signal(process: &Child, signal: rustix::process::Signal) {
    let group = rustix::process::Pid::from_child(process);
    rustix::process::kill_process_group(group, signal).unwrap();
}

/// What happened to which name, by revision, and the integrations that are left.
fn fold(record: &[Seen], writers: &[Writer]) -> (Vec<(String, bool)>, BTreeMap<String, Value>) {
    // One that was gone when its first change was read has its name from its writer alone.
    let mut names: BTreeMap<_, _> = writers.iter().flat_map(|writer| writer.names.clone()).collect();
    let mut state = BTreeMap::new();
    let (mut events, mut last) = (Vec::new(), 0);
    for seen in record.iter().filter(|seen| seen.event != "snapshot") {
        if let Some(name) = seen.name() {
            names.insert(seen.id().to_owned(), name.to_owned());
        }
        let deleted = seen.event == "deleted";
        if deleted {
            state.remove(seen.id());
        } else if seen.object["host"].is_string() {
            state.insert(seen.id().to_owned(), seen.object.clone());
        }
        if seen.revision > last {
            events.push((seen.id().to_owned(), deleted));
        }
        last = seen.revision;
    }
    let events = events.into_iter().map(|(id, deleted)| (names.get(&id).cloned().unwrap_or(id), deleted));
    (events.collect(), state)
}

/// Whether an event is about something of a writer.
fn is_of(name: &str, writer: &Writer) -> bool {
    name.starts_with(&format!("w{}-", writer.number))
}

fn count(events: &[(String, bool)], writer: &Writer) -> usize {
    events.iter().filter(|(name, _)| is_of(name, writer)).count()
}

/// The events of one writer are its journal: what was answered must be there, what was not may be.
fn follows(events: &[(String, bool)], writer: &Writer) {
    let mut journal = writer.journal.iter();
    for (name, deleted) in events.iter().filter(|(name, _)| is_of(name, writer)) {
        // One that is gone by the time its change is read is told as deleted already.
        let fits = |change: &Change| change.name == *name && (*deleted || !change.deletes);
        loop {
            let change = journal.next().unwrap_or_else(|| panic!("{name} has changed once too often"));
            if fits(change) {
                break;
            }
            assert!(!change.answered, "{change:?} was answered, and {name} was told in its place");
        }
    }
    let lost: Vec<_> = journal.filter(|change| change.answered).collect();
    assert!(lost.is_empty(), "answered and never told: {lost:?}");
}
