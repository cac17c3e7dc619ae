//! `--on-change CMD`: runs a command for each applied revision, the object on its stdin.
use std::{
    io::Write,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Job, object};
use crate::{
    agent::{
        configuration::{Change, Configuration, Key},
        llm::OpenedLlm,
        opener::Opener,
    },
    error::{Error, Kind, Result},
};

/// How long a command may take before it is killed and counts as failed.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// What the command has no business with.
const OURS: [&str; 2] = ["SEALINK_TOKEN", "SEALINK_ADMIN_TOKEN"];

/// The command, run by `sh -c`.
#[derive(Clone, Debug)]
pub struct OnChange {
    command: String,
}

/// One run of it: secrets are in `stdin` alone.
pub struct Call {
    event: &'static str,
    integration_id: String,
    llm_integration_id: String,
    revision: u64,
    stdin: Zeroizing<Vec<u8>>,
}

impl Call {
    /// What a job means to the command.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub fn new(job: &Job, opener: &mut Opener) -> Result<Self> {
        let configuration = &job.configuration;
        let (event, key, value) = match &job.change {
            Change::Put(key) => ("put", Some(key), one(configuration, key, opener)?),
            Change::Deleted(key) => ("deleted", Some(key), named(key)),
            Change::Snapshot | Change::HostToken | Change::Confirmed => {
                ("snapshot", None, everything(configuration, opener)?)
            }
        };
        Ok(Self {
            event,
            integration_id: key.map_or("", Key::integration_id).to_owned(),
            llm_integration_id: key.map_or("", Key::llm_integration_id).to_owned(),
            revision: configuration.revision,
            stdin: Zeroizing::new(serde_json::to_vec(&value).map_err(|_| Error::internal("no JSON"))?),
        })
    }
}

impl OnChange {
    /// The command as the operator wrote it.
    #[must_use]
    pub fn new(command: String) -> Self {
        Self { command }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// [`Kind::Precondition`] unless it ends with 0 within a minute.
    pub async fn run(&self, call: Call) -> Result<()> {
        let command = self.command.clone();
        tokio::task::spawn_blocking(move || run(&command, call)).await.map_err(Error::internal)?
    }
}

fn run(command: &str, call: Call) -> Result<()> {
    let failed = |why: String| Error::new(Kind::Precondition, format!("--on-change {why}"));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .env("SEALINK_EVENT", call.event)
        .env("SEALINK_INTEGRATION_ID", &call.integration_id)
        .env("SEALINK_LLM_INTEGRATION_ID", &call.llm_integration_id)
        .env("SEALINK_REVISION", call.revision.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    for name in OURS {
        shell.env_remove(name);
    }
    let mut child =
        shell.spawn().map_err(|source| failed("cannot be started".to_owned()).caused_by(source))?;
    // A command that reads nothing, or that never ends, must not hold up the thread that waits.
    if let Some(mut stdin) = child.stdin.take() {
        thread::spawn(move || {
            // It may end without reading: then its exit code says how it went.
            let _ = stdin.write_all(&call.stdin);
        });
    }
    match ended(&mut child) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(failed(match status.code() {
            Some(code) => format!("ended with {code} at revision {}", call.revision),
            None => format!("was killed at revision {}", call.revision),
        })),
        None => Err(failed(format!("took longer than {} s", PATIENCE.as_secs()))),
    }
}

/// How it ended; `None` if it had to be killed.
fn ended(child: &mut Child) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(POLL);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn one(configuration: &Configuration, key: &Key, opener: &mut Opener) -> Result<Value> {
    if let Some(found) = configuration.integration(key.integration_id()) {
        let outcome = opener.client_secret(found)?;
        return Ok(object::integration(found, outcome.as_deref(), true));
    }
    if let Some(found) = configuration.llm_integration(key.llm_integration_id()) {
        return Ok(object::llm_integration(found, &OpenedLlm::open(opener, found)?, true));
    }
    configuration.object(key).map_or_else(|| Ok(named(key)), |object| object::other(object))
}

fn named(key: &Key) -> Value {
    match key {
        Key::Integration(id) => json!({ "id": id }),
        Key::EnvironmentClass(id) => json!({ "environmentClassId": id }),
        Key::Llm(id) => json!({ "llmIntegrationId": id }),
        Key::Spec => json!({}),
    }
}

fn everything(configuration: &Configuration, opener: &mut Opener) -> Result<Value> {
    let (mut integrations, mut llm_integrations, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (key, found) in configuration.objects() {
        match key {
            Key::Integration(_) => integrations.push(one(configuration, key, opener)?),
            Key::Llm(_) => llm_integrations.push(one(configuration, key, opener)?),
            Key::Spec | Key::EnvironmentClass(_) => others.push(object::other(found)?),
        }
    }
    Ok(json!({
        "epoch": configuration.epoch,
        "revision": configuration.revision,
        "integrations": integrations,
        "llmIntegrations": llm_integrations,
        "others": others,
    }))
}
