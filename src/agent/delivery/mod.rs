//! Handing the configuration over on the agent's machine, and then, not before, remembering that it was.
//!
//! ```text
//! watch -> Job -> secrets directory -> --on-change -> cache on disk
//! ```
//!
//! In order, each until it worked: what was not delivered is not saved, so after a crash it is delivered again.
pub mod object;
pub mod on_change;
pub mod secrets_dir;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use self::{on_change::OnChange, secrets_dir::SecretsDir};
use super::{
    backoff::Backoff,
    cache,
    configuration::{Change, Configuration},
    dir::AgentDir,
    health::Health,
    opener::Opener,
};
use crate::{clock::Instant, domain::id::RunnerId, error::Result};

/// More jobs than this waiting become one: everything, as it is now.
const MAX_WAITING: usize = 1_000;
/// How often an unchanged configuration is saved again, so that its age after a restart is not far off.
const CONFIRM_EVERY: Duration = Duration::from_mins(1);

/// One applied revision.
#[derive(Clone, Debug)]
pub struct Job {
    /// The whole configuration at this revision.
    pub configuration: Arc<Configuration>,
    /// What made it so.
    pub change: Change,
}

/// Delivers one job after another.
#[derive(Debug)]
pub struct Delivery {
    runner: RunnerId,
    dir: AgentDir,
    opener: Arc<Mutex<Opener>>,
    health: Arc<Health>,
    secrets: Option<SecretsDir>,
    hook: Option<OnChange>,
    saved_at: Instant,
}

impl Delivery {
    /// What to deliver to; without `secrets` and `hook` the configuration is only saved.
    #[must_use]
    pub fn new(
        runner: RunnerId,
        dir: AgentDir,
        opener: Arc<Mutex<Opener>>,
        health: Arc<Health>,
        secrets: Option<SecretsDir>,
        hook: Option<OnChange>,
    ) -> Self {
        Self { runner, dir, opener, health, secrets, hook, saved_at: Instant(0) }
    }

    /// Puts the secrets of a configuration that was delivered before back into their directory, which a restart
    /// of the machine empties.
    pub fn restore(&self, configuration: &Configuration) {
        if let Err(error) = self.write_secrets(configuration) {
            self.complain(&error.to_string(), 1);
        }
    }

    /// Delivers until there are no more jobs.
    pub async fn run(&mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(mut job) = jobs.recv().await {
            if jobs.len() > MAX_WAITING {
                while let Ok(later) = jobs.try_recv() {
                    job = Job { change: Change::Snapshot, ..later };
                }
            }
            self.deliver(&job).await;
        }
    }

    /// Removes every secret from the machine.
    pub fn clear(&self) {
        if let Some(Err(error)) = self.secrets.as_ref().map(SecretsDir::clear) {
            tracing::error!(%error, "secrets stay in their directory");
        }
    }

    async fn deliver(&mut self, job: &Job) {
        if job.change == Change::Confirmed {
            let due = self.saved_at.plus(CONFIRM_EVERY) <= job.configuration.confirmed_at;
            if !due || self.save(&job.configuration).is_ok() {
                return;
            }
        }
        let (mut backoff, mut tries) = (Backoff::default(), 0);
        while let Err(error) = self.attempt(job).await {
            tries += 1;
            self.complain(&error.to_string(), tries);
            backoff.wait().await;
        }
        self.health.judge("delivery", None);
    }

    async fn attempt(&mut self, job: &Job) -> Result<()> {
        if !matches!(job.change, Change::Confirmed | Change::HostToken) {
            self.write_secrets(&job.configuration)?;
            if let Some(hook) = &self.hook {
                let call = {
                    let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
                    on_change::Call::new(job, &mut opener)?
                };
                hook.run(call).await?;
            }
        }
        self.save(&job.configuration)
    }

    fn write_secrets(&self, configuration: &Configuration) -> Result<()> {
        let Some(secrets) = &self.secrets else { return Ok(()) };
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.apply(configuration, &mut opener)
    }

    fn save(&mut self, configuration: &Configuration) -> Result<()> {
        cache::save(&self.dir, self.runner, configuration)?;
        self.saved_at = configuration.confirmed_at;
        Ok(())
    }

    fn complain(&self, error: &str, tries: u32) {
        tracing::warn!(error, tries, "the configuration was not delivered; trying again");
        self.health.note(|facts| facts.delivery_failures += 1);
        self.health.judge("delivery", Some(format!("{error} (tried {tries} times)")));
    }
}
