//! Whether a runner's agents live, and what they say of it.
use super::Service;
use crate::{
    clock::Instant,
    domain::{
        access::Caller,
        id::AgentId,
        liveness::{ReportPatch, SecretReport},
        public_url::PublicUrl,
        runner::{Runner, RunnerPhase},
    },
    error::{Error, Result},
    store::Agent,
};

/// What an agent learns from its heartbeat: the runner, and its phase now.
#[derive(Debug)]
pub struct Pulse {
    /// The runner, this heartbeat counted.
    pub runner: Runner,
    /// Its phase.
    pub phase: RunnerPhase,
}

/// When and from where a runner is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// When.
    pub now: Instant,
    /// Where the server is.
    pub public_url: &'a PublicUrl,
}

/// What an agent reports.
#[derive(Debug)]
pub struct StatusUpdate {
    /// Which agent.
    pub agent: AgentId,
    /// What it says of the runner.
    pub report: ReportPatch,
    /// What is wrong with the agent; empty if nothing is any more.
    pub degradation: Option<String>,
    /// What came of opening its secrets.
    pub secrets: Vec<SecretReport>,
}

impl Service {
    /// Counts an agent's sign of life.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) for anybody but a runner,
    /// [`Kind::Exhausted`](crate::error::Kind::Exhausted) if it has too many agents.
    pub async fn heartbeat(&self, caller: &Caller, agent: AgentId) -> Result<Pulse> {
        let id = caller.runner()?;
        let now = self.now();
        self.store.heartbeat(Agent { runner: id, id: agent, now }).await?;
        let runner = self.store.runner(caller.organization, id).await?;
        let runner = runner.ok_or_else(|| Error::not_found("runner"))?;
        Ok(Pulse { phase: runner.phase(now), runner })
    }

    /// Stores what an agent reports.
    ///
    /// # Errors
    /// As [`Service::heartbeat`]; [`Kind::Invalid`](crate::error::Kind::Invalid) as [`ReportPatch::apply`].
    pub async fn update_status(&self, caller: &Caller, update: StatusUpdate) -> Result<()> {
        let runner = caller.runner()?;
        let agent = Agent { runner, id: update.agent, now: self.now() };
        self.store.update_status(agent, update.report, update.degradation, update.secrets).await
    }

    /// What an answer needs to say how a runner is.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { now: self.now(), public_url: &self.public_url }
    }
}
