//! What a runner's agents work from.
use uuid::Uuid;

use super::{Service, authentication::verify};
use crate::{
    domain::{access::Audience, integration::Integration, runner::Runner, secret::Kid, token::Credential},
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
    Snapshot(Box<Runner>, Vec<Integration>),
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
}

impl Service {
    /// The calling runner's configuration. The token is checked with the same query that reads it.
    ///
    /// # Errors
    /// As [`Service::authenticate`]; [`Kind::Forbidden`](crate::error::Kind::Forbidden) for anybody but a runner.
    pub async fn configuration(
        &self,
        credential: &Credential,
        known: &KnownConfiguration,
    ) -> Result<Configuration> {
        let epoch = self.epoch;
        let known = (known.epoch == epoch.to_string()).then_some(known.revision);
        let query = OwnConfigurationQuery { token: credential.id.clone(), known };
        let found = self.store.own_configuration(query).await?;
        let caller = match verify(found.token.as_ref(), credential, self.now()) {
            Ok(caller) => {
                self.touch(found.token.as_ref());
                caller
            }
            Err(_) => self.authenticate_preset(credential).await?,
        };
        caller.admit(Audience::Runners, true)?;
        let Configured { runner, integrations } =
            found.configured.ok_or_else(|| Error::not_found("runner"))?;
        let content = if known == Some(runner.revision) {
            Content::Unchanged(runner.revision)
        } else {
            Content::Snapshot(Box::new(runner), integrations)
        };
        Ok(Configuration { epoch, content })
    }
}
