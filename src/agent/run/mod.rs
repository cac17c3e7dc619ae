//! `sealink agent run`: everything an agent does as long as it lives.
//!
//! ```text
//! heartbeat  every 30 s: alive, and is the ACTIVE key still ours?
//! watch      stream of changes -> configuration -> delivery -> cache
//! calls      stream of calls -> desk -> forges -> SendResponse
//! report     what is wrong, which secrets cannot be used
//! schema     what the runner can be configured with
//! ```
//!
//! Each goes on by itself: who loses the server tries again, with full jitter, and works from what there is.
mod calls;
mod heartbeat;
mod renewal;
mod report;
mod schema;
mod watch;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch as latest},
    task::JoinSet,
};
use uuid::Uuid;

use super::{
    cache,
    calls::Desk,
    configuration::Configuration,
    delivery::{Delivery, Job, on_change::OnChange, secrets_dir::SecretsDir},
    dir::AgentDir,
    fetch,
    health::Health,
    keys::KeyDir,
    log::LogTail,
    opener::Opener,
    register::{self, Session},
    status_page::StatusPage,
};
use crate::{
    client::{Client, ClientError, Server},
    clock::Clock,
    domain::{allowed_origins::AllowedOrigins, id::RunnerId, secret::Kid},
    error::{Error, Kind, Result},
    scm::{
        egress::Policy,
        http::{Http, Limits},
    },
};

/// How long calls that are under way may take once the agent is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What an agent is started with.
#[derive(Debug)]
pub struct Options {
    /// Another address of the server it is registered with.
    pub server: Option<Server>,
    /// `--agent-dir`.
    pub agent_dir: PathBuf,
    /// `--key-dir`.
    pub key_dir: KeyDir,
    /// `--secrets-dir`.
    pub secrets_dir: Option<PathBuf>,
    /// `--allow-disk`.
    pub allow_disk: bool,
    /// `--on-change`.
    pub on_change: Option<String>,
    /// `--status-listen`.
    pub status_listen: Option<SocketAddr>,
    /// `--allow-origin`, any number of times.
    pub allowed_origins: AllowedOrigins,
    /// `--ca-file`.
    pub ca_file: Option<PathBuf>,
    /// `--schema`.
    pub schema: Option<PathBuf>,
    /// What the agent logs is also here.
    pub log: LogTail,
}

/// What everything that runs shares.
struct Shared {
    client: Client,
    runner: RunnerId,
    agent_id: String,
    keys: KeyDir,
    opener: Arc<Mutex<Opener>>,
    active: Arc<Mutex<Option<Kid>>>,
    configuration: latest::Sender<Arc<Configuration>>,
    health: Arc<Health>,
    clock: Clock,
}

/// Runs until `shutdown` completes. `ready` is told once everything that can be refused was not: the address of
/// the status page, if there is one.
///
/// # Errors
/// [`Kind::Precondition`] while the runner's ACTIVE key is not in the key directory, if another process runs as
/// this agent, and for what an operator must mend; [`Kind::Unauthenticated`] if the server no longer takes the
/// runner's token. A server that is away is no error.
pub async fn run(
    options: Options,
    ready: impl FnOnce(&str, Option<SocketAddr>),
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let dir = AgentDir::open(&options.agent_dir)?;
    let _alone = dir.run_alone()?;
    let session = register::resume_unasked(&dir, options.server)?;
    let policy = Policy::new(options.allowed_origins);
    let http = Http::new(policy, options.ca_file.as_deref(), Limits::default())?;
    let secrets = options.secrets_dir.map(|path| SecretsDir::open(&path, options.allow_disk)).transpose()?;
    let page = match options.status_listen {
        Some(address) => Some(StatusPage::bind(address).await?),
        None => None,
    };
    let active = active_key(&session, &options.key_dir).await?;
    let runner = session.runner_id;
    let known = cache::load(&dir, runner)?.unwrap_or_default();
    let opener = Arc::new(Mutex::new(Opener::new(runner, &dir, &options.key_dir)?));
    let health = Arc::new(Health::default());
    let hook = options.on_change.map(OnChange::new);
    let mut delivery =
        Delivery::new(runner, dir.clone(), Arc::clone(&opener), Arc::clone(&health), secrets, hook);
    if known.is_known() {
        delivery.restore(&known);
        health.note(|facts| {
            facts.revision = known.revision;
            facts.confirmed_at = Some(known.confirmed_at);
        });
    }
    let shared = Arc::new(Shared {
        client: session.client,
        runner,
        agent_id: agent_id(&dir)?,
        keys: options.key_dir,
        opener: Arc::clone(&opener),
        active: Arc::new(Mutex::new(active)),
        configuration: latest::Sender::new(Arc::new(known)),
        health: Arc::clone(&health),
        clock: Clock::System,
    });
    ready(&shared.agent_id, page.as_ref().map(StatusPage::address).transpose()?);
    let (jobs, waiting) = mpsc::unbounded_channel::<Job>();
    let desk = Arc::new(Desk::new(
        runner,
        http,
        opener,
        shared.configuration.subscribe(),
        Arc::clone(&shared.active),
        options.log,
    ));
    let extras = Extras { page, schema: options.schema };
    let served = serve(&shared, desk, extras, jobs, delivery.run(waiting), shutdown).await;
    delivery.clear();
    served
}

/// What only some agents have.
struct Extras {
    page: Option<StatusPage>,
    schema: Option<PathBuf>,
}

/// Runs all of it; the first error ends all.
async fn serve(
    shared: &Arc<Shared>,
    desk: Arc<Desk>,
    extras: Extras,
    jobs: mpsc::UnboundedSender<Job>,
    delivering: impl Future<Output = ()>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(heartbeat::run(Arc::clone(shared)));
    tasks.spawn(watch::run(Arc::clone(shared), jobs));
    tasks.spawn(report::run(Arc::clone(shared)));
    tasks.spawn(schema::run(Arc::clone(shared), extras.schema));
    tasks.spawn(renewal::tidy(Arc::clone(&desk)));
    let answering = calls::Answering::new(Arc::clone(shared), desk);
    let listening = tasks.spawn(calls::run(answering.clone()));
    if let Some(page) = extras.page {
        let health = Arc::clone(&shared.health);
        tasks.spawn(async move {
            page.serve(health).await;
            Ok(())
        });
    }
    let ended = async {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(Error::internal)??;
        }
        Ok(())
    };
    // The delivery ends when the watch does, and why it did is the watch's to say.
    let delivering = async {
        delivering.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = ended => ended,
        () = delivering => Ok(()),
        () = shutdown => {
            tracing::info!("stopping");
            listening.abort();
            answering.drain(GRACE).await;
            Ok(())
        }
    }
}

/// Looks whether new secrets are sealed with a key of ours; a server that is away is asked later, by the
/// heartbeat.
async fn active_key(session: &Session, keys: &KeyDir) -> Result<Option<Kid>> {
    match fetch::require_active_key(session, keys).await {
        Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Deadline) => {
            tracing::warn!(%error, "the server is away; going on with what was saved");
            Ok(None)
        }
        found => found,
    }
}

/// Who this agent is among those of its runner, as long as its directory lives.
fn agent_id(dir: &AgentDir) -> Result<String> {
    const FILE: &str = "agent-id";
    let read = std::fs::read_to_string(dir.at(FILE)).ok();
    if let Some(id) = read.and_then(|text| Uuid::try_parse(text.trim()).ok()) {
        return Ok(id.to_string());
    }
    let id = Clock::System.new_id().to_string();
    dir.write(FILE, id.as_bytes())?;
    Ok(id)
}

impl Shared {
    fn known(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration.borrow())
    }

    fn opener(&self) -> std::sync::MutexGuard<'_, Opener> {
        self.opener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a failed call means to the agent: the end, or another try later.
    fn fatal(error: ClientError) -> Result<ClientError> {
        if error.is_token_refused() { Err(register::refused(error)) } else { Ok(error) }
    }

    /// How old the configuration is, for a log line.
    fn age(&self) -> String {
        let known = self.known();
        if !known.is_known() {
            return "no configuration yet".to_owned();
        }
        let seconds = (self.clock.now().0 - known.confirmed_at.0).max(0) / 1_000_000;
        format!("revision {}, confirmed {seconds} s ago", known.revision)
    }
}
