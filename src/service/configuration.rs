//! What a runner's agents work from.
use uuid::Uuid;

use super::{Service, Snapshot};
use crate::{
    domain::{
        access::Caller,
        integration::Integration,
        liveness::{SecretFault, SecretReport},
        runner::Runner,
        secret::Kid,
        stored_secret::SecretEntry,
    },
    error::{Error, Result},
};

/// What an agent has already.
#[derive(Clone, Debug, Default)]
pub struct KnownConfiguration {
    /// The epoch it came from; empty for none.
    pub epoch: String,
    /// The revision it is at.
    pub revision: u64,
}

/// A runner's configuration.
#[derive(Debug)]
pub struct Configuration {
    /// The history it belongs to.
    pub epoch: Uuid,
    /// What it is, unless the agent has it already.
    pub content: Content,
}

/// The changing part of a configuration.
#[derive(Debug)]
pub enum Content {
    /// The agent has this revision already.
    Unchanged(u64),
    /// Everything, at the runner's revision.
    Snapshot(Box<Snapshot>),
}

/// Whether the runner can use a sealed secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// There is none: OAuth is off.
    None,
    /// Sealed with the ACTIVE key.
    Ok,
    /// Sealed with a key that is being replaced.
    StaleKey,
    /// Wiped with its key; to be entered again.
    Missing,
    /// An agent found it sealed for another place than the one it stands in.
    Rejected,
    /// An agent could not open it.
    Undecryptable,
}

impl SecretState {
    /// The state of one integration's secret.
    #[must_use]
    pub fn of(integration: &Integration, runner: &Runner) -> Self {
        let Some(oauth) = &integration.oauth else { return Self::None };
        Self::of_kid(oauth.secret.as_ref().map(|secret| &secret.kid), runner)
    }

    /// The state of a secret that is sealed with this key.
    #[must_use]
    pub fn of_kid(kid: Option<&Kid>, runner: &Runner) -> Self {
        match kid {
            None => Self::Missing,
            Some(kid) if runner.active_key.as_ref().is_some_and(|key| key.kid == *kid) => Self::Ok,
            Some(_) => Self::StaleKey,
        }
    }

    /// The state of a secret of which the runner's agents have reported what is in `reports`. One that was entered
    /// again since is another.
    #[must_use]
    pub fn of_entry(entry: &SecretEntry, runner: &Runner, reports: &[SecretReport]) -> Self {
        match reports.iter().find(|report| report.is_about(entry)).and_then(|report| report.fault) {
            Some(SecretFault::Rejected) => Self::Rejected,
            Some(SecretFault::Undecryptable) => Self::Undecryptable,
            None => Self::of_kid(entry.kid.as_ref(), runner),
        }
    }
}

impl Service {
    /// The calling runner's configuration.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) for anybody but a runner;
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) if it changes faster than it can be read.
    pub async fn configuration(&self, caller: &Caller, known: &KnownConfiguration) -> Result<Configuration> {
        let id = caller.runner()?;
        let gone = || Error::not_found("runner");
        let epoch = self.epoch;
        if known.epoch == epoch.to_string() {
            let revision = self.store.revision(id).await?.ok_or_else(gone)?;
            if revision == known.revision {
                return Ok(Configuration { epoch, content: Content::Unchanged(revision) });
            }
        }
        let snapshot = Snapshot::read_whole(&self.store, caller.organization, id).await?;
        Ok(Configuration { epoch, content: Content::Snapshot(Box::new(snapshot)) })
    }
}
