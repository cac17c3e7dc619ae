//! What a runner's agents work from.
use std::sync::Arc;

use uuid::Uuid;

use super::{Objects, Service, Snapshot, authentication::verify, recent::Kept};
use crate::{
    domain::{
        access::Audience,
        integration::Integration,
        liveness::{SecretFault, SecretReport},
        runner::Runner,
        secret::Kid,
        stored_secret::SecretEntry,
        token::Credential,
    },
    error::{Error, Result},
    store::{Configured, OwnConfigurationQuery},
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
    /// The calling runner's configuration. The token is checked with the same query that reads it.
    ///
    /// # Errors
    /// As [`Service::authenticate`]; [`Kind::Forbidden`](crate::error::Kind::Forbidden) for anybody but a runner;
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) if it changes faster than it can be read.
    pub async fn configuration(
        &self,
        credential: &Credential,
        known: &KnownConfiguration,
    ) -> Result<Configuration> {
        let epoch = self.epoch;
        let known = (known.epoch == epoch.to_string()).then_some(known.revision);
        let kept = self.recent.get(&credential.id);
        // Objects that are here already need not be read.
        let spared = kept.as_ref().map(|kept| kept.revision).or(known);
        let query = OwnConfigurationQuery { token: credential.id.clone(), known: spared };
        let found = self.store.own_configuration(query).await?;
        let caller = match verify(found.token.as_ref(), credential, self.now()) {
            Ok(caller) => {
                self.touch(found.token.as_ref());
                caller
            }
            Err(_) => self.authenticate_preset(credential).await?,
        };
        caller.admit(Audience::Runners, true)?;
        let Configured { runner, integrations, alone } =
            found.configured.ok_or_else(|| Error::not_found("runner"))?;
        if known == Some(runner.revision) {
            return Ok(Configuration { epoch, content: Content::Unchanged(runner.revision) });
        }
        let snapshot = match kept {
            Some(kept) if kept.revision == runner.revision => Snapshot { runner, objects: kept.objects },
            _ if alone => {
                Snapshot { runner, objects: Arc::new(Objects { integrations, ..Objects::default() }) }
            }
            _ => Snapshot::read_whole(&self.store, caller.organization, runner.id).await?,
        };
        let kept = Kept { revision: snapshot.runner.revision, objects: Arc::clone(&snapshot.objects) };
        self.recent.keep(&credential.id, kept);
        Ok(Configuration { epoch, content: Content::Snapshot(Box::new(snapshot)) })
    }
}
