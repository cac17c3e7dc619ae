//! What a runner's agents work from.
use std::sync::Arc;

use uuid::Uuid;

use super::{Objects, Service, Snapshot, authentication::verify, recent::Kept};
use crate::{
    domain::{access::Audience, token::Credential},
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
            _ => {
                let read = if alone {
                    Snapshot { runner, objects: Arc::new(Objects { integrations, ..Objects::default() }) }
                } else {
                    Snapshot::read_whole(&self.store, caller.organization, runner.id).await?
                };
                let kept = Kept { revision: read.runner.revision, objects: Arc::clone(&read.objects) };
                self.recent.keep(&credential.id, kept);
                read
            }
        };
        Ok(Configuration { epoch, content: Content::Snapshot(Box::new(snapshot)) })
    }
}
