//! Which runner and which integration a live call is about.
use url::Url;

use crate::{
    domain::{
        access::{Caller, Visible},
        id::RunnerId,
        integration::Integration,
        runner::Runner,
    },
    error::{Error, Kind, Result},
    service::Service,
};

/// A live runner and its integration for a host.
#[derive(Debug)]
pub struct LiveHost {
    /// The runner.
    pub runner: Runner,
    /// What serves the host.
    pub integration: Integration,
}

impl Service {
    /// A live runner that the caller may use and its integration for `host`.
    ///
    /// # Errors
    /// As [`Service::live_runner`]; [`Kind::Precondition`] if it has no integration for the host.
    pub async fn live_host(&self, caller: &Caller, id: RunnerId, host: &str) -> Result<LiveHost> {
        self.use_runner(caller, id).await?;
        let found = self.store.configuration(caller.organization, id).await?;
        let found = found.ok_or_else(|| Error::not_found("runner"))?;
        self.require_live(&found.runner)?;
        let key = host.to_ascii_lowercase();
        let integration = found.integrations.into_iter().find(|one| one.host.key() == key);
        let missing = || Error::new(Kind::Precondition, "the runner has no SCM integration for this host");
        Ok(LiveHost { integration: integration.ok_or_else(missing)?, runner: found.runner })
    }

    /// The runners that the caller may use and that have an integration for the host of `url`, oldest first; of several
    /// only the live ones.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a URL without a host.
    pub async fn runners_for_url(&self, caller: &Caller, url: &str) -> Result<Vec<RunnerId>> {
        let refuse = || Error::invalid("context_url", "string.uri", "value must be a URL with a host");
        let url = Url::parse(url).map_err(|_| refuse())?;
        let mut host = url.host_str().ok_or_else(refuse)?.to_ascii_lowercase();
        if let Some(port) = url.port() {
            host = format!("{host}:{port}");
        }
        let member = match caller.visible() {
            Visible::Organization => None,
            Visible::CreatedBy(user) => Some(user),
            Visible::Only(_) => return Ok(Vec::new()),
        };
        let found = self.store.runners_at(caller.organization, member, &host, self.now()).await?;
        let live: Vec<_> = found.iter().filter(|(_, alive)| *alive).map(|(id, _)| *id).collect();
        Ok(if live.is_empty() { found.into_iter().map(|(id, _)| id).collect() } else { live })
    }
}
