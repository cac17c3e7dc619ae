//! A machine with an agent that is registered with a fake server.
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use sealink::{
    agent::{
        cache,
        configuration::Configuration,
        dir::{AgentDir, State},
        keys::KeyDir,
        log::LogTail,
        run::{self, Options},
    },
    client::{Server, Token},
    domain::allowed_origins::AllowedOrigins,
    error::Result,
    seal::PublicKey,
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    desk::RUNNER,
    server::{AGENT_TOKEN, LiveServer},
};

/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Machine {
    pub(super) live: LiveServer,
    pub(super) key: PublicKey,
    pub(super) keys: KeyDir,
    parent: TempDir,
}

/// An agent that runs in this process.
pub(super) struct Running {
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<Result<()>>,
}

impl Machine {
    pub(super) async fn new() -> Self {
        // In memory, as secrets must be.
        let parent = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let keys = KeyDir::new(&parent.path().join("keys"));
        let key = keys.generate(2_048).expect("a key").public().clone();
        let live = LiveServer::start(vec![key.clone()]).await;
        let state = State {
            server: Server::parse(&live.url()).expect("a URL"),
            runner_id: Some(RUNNER),
            token: Token::parse("test", AGENT_TOKEN).expect("a token"),
        };
        AgentDir::create(&parent.path().join("agent")).expect("a directory").save(&state).expect("saved");
        Self { live, key, keys, parent }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.parent.path().join(name)
    }

    pub(super) fn dir(&self) -> AgentDir {
        AgentDir::open(&self.path("agent")).expect("the directory")
    }

    pub(super) fn options(&self) -> Options {
        Options {
            server: None,
            agent_dir: self.path("agent"),
            key_dir: self.keys.clone(),
            secrets_dir: None,
            allow_disk: false,
            on_change: None,
            status_listen: None,
            allowed_origins: AllowedOrigins::default(),
            ca_file: None,
            schema: None,
            log: LogTail::default(),
        }
    }

    #[expect(clippy::unused_self, reason = "it is this machine's agent that starts")]
    pub(super) fn start(&self, options: Options) -> Running {
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(run::run(options, |_, _| {}, async {
            let _ = stopped.await;
        }));
        Running { stop: Some(stop), done }
    }

    /// What is on the agent's disk.
    pub(super) fn saved(&self) -> Option<Configuration> {
        cache::load(&self.dir(), RUNNER).expect("readable")
    }

    pub(super) async fn saved_revision(&self, revision: u64) {
        eventually("the revision is saved", || self.saved().is_some_and(|saved| saved.revision == revision))
            .await;
    }

    pub(super) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }
}

impl Running {
    /// Stops it as SIGTERM does.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        self.done.await.expect("no panic").expect("a clean end");
    }

    /// Waits until it ends by itself, with an error.
    pub(super) async fn fails(self) -> sealink::error::Error {
        let ended = tokio::time::timeout(PATIENCE, self.done).await.expect("in time");
        ended.expect("no panic").expect_err("an error")
    }
}

/// Waits for something that must come true.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
