//! Calls that only a live runner can answer: each becomes questions to a forge, with the caller's credential.
//!
//! ```text
//! call -> which integration -> credential, opened here -> forge -> result | CallError
//! ```
//!
//! An error's sentence is for the caller to read; it holds no secret, and nothing that a forge sent.
mod authentication;
mod context;
mod failure;
mod grants;
mod oauth;
mod repositories;
mod validate;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

pub use failure::Failure;
use grants::Grants;

use super::{
    configuration::Configuration,
    forge::{self, Credential, Forge},
    log::LogTail,
    opener::{Opener, Outcome},
};
use crate::{
    clock::{Clock, Instant},
    domain::{
        context_url::Site,
        id::{RunnerId, parse_uuid},
        scm::Scm,
        secret::{Kid, Secret},
    },
    pb::{
        gitpod::v1::HostAuthenticationTokenSource as Source,
        sealink::v1::{
            ConfiguredIntegration, HostCredential, LiveCaller, TailLogResult,
            send_response_request::Result as Reply, watch_requests_response::Call,
        },
    },
    scm::http::Http,
    seal::{self, Field, Place},
};

/// What calls end with.
type Result<T> = std::result::Result<T, Failure>;

/// Everything that answering takes. Shared by all calls.
#[derive(Debug)]
pub struct Desk {
    runner: RunnerId,
    http: Arc<Http>,
    opener: Arc<Mutex<Opener>>,
    configuration: watch::Receiver<Arc<Configuration>>,
    active: Arc<Mutex<Option<Kid>>>,
    log: LogTail,
    grants: Grants,
    clock: Clock,
}

/// A credential of the caller that was opened, and what decides the header it goes into.
struct Opened {
    outcome: Arc<Outcome>,
    source: Source,
}

impl Opened {
    fn credential(&self) -> Result<Credential<'_>> {
        let secret = self.outcome.secret().ok_or(Failure::UNUSABLE)?;
        Ok(if self.source == Source::Pat { Credential::Pat(secret) } else { Credential::OAuth(secret) })
    }
}

impl Desk {
    /// A desk for the runner's calls. `active` is the kid of the runner's ACTIVE key as far as it is known.
    #[must_use]
    pub fn new(
        runner: RunnerId,
        http: Arc<Http>,
        opener: Arc<Mutex<Opener>>,
        configuration: watch::Receiver<Arc<Configuration>>,
        active: Arc<Mutex<Option<Kid>>>,
        log: LogTail,
    ) -> Self {
        let grants = Grants::default();
        Self { runner, http, opener, configuration, active, log, grants, clock: Clock::System }
    }

    /// Answers one call. Takes as long as the forges take: the caller's deadline is the caller's.
    ///
    /// # Errors
    /// What stands in the way, for the one who called.
    pub async fn answer(&self, request_id: &str, call: Call) -> Result<Reply> {
        Ok(match call {
            Call::Validate(call) => Reply::Validate(self.validate(request_id, call).await?),
            Call::CheckAuthenticationForHost(call) => {
                Reply::CheckAuthenticationForHost(self.check_authentication(call).await?)
            }
            Call::ParseContextUrl(call) => Reply::ParseContextUrl(self.parse_context_url(call).await?),
            Call::SearchRepositories(call) => Reply::SearchRepositories(self.search(call).await?),
            Call::ListScmOrganizations(call) => Reply::ListScmOrganizations(self.organizations(call).await?),
            Call::CheckRepositoryAccess(call) => Reply::CheckRepositoryAccess(self.check_access(call).await?),
            Call::BeginOauth(call) => Reply::BeginOauth(self.begin_oauth(&call)?),
            Call::CompleteOauth(call) => Reply::CompleteOauth(self.complete_oauth(call).await?),
            Call::RefreshHostToken(call) => Reply::RefreshHostToken(self.refresh(call).await?),
            Call::TailLog(call) => {
                let max = usize::try_from(call.max_bytes).unwrap_or(usize::MAX);
                Reply::TailLog(TailLogResult { log: self.log.last(max) })
            }
            Call::KeepAlive(_) => return Err(Failure::unimplemented()),
        })
    }

    /// Whether a forge gave a new credential of a host token that the server does not have.
    #[must_use]
    pub fn keeps(&self, token_id: &str) -> bool {
        self.grants.has(token_id, self.clock.now())
    }

    /// The server has the new credential of a host token: it need not be kept here.
    pub fn renewed(&self, token_id: &str) {
        self.grants.forget(token_id);
    }

    /// Wipes what forges gave so long ago that nobody counts on it any more.
    pub fn tidy(&self) {
        self.grants.tidy(self.clock.now());
    }

    /// Waits until the configuration is at least as new as the call.
    pub async fn caught_up(&self, revision: u64) {
        let mut configuration = self.configuration.clone();
        // An error means that the agent stops.
        let _ = configuration.wait_for(|known| known.revision >= revision).await;
    }

    fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration.borrow())
    }

    /// The integration of the configuration that serves a host.
    fn serving(&self, host: &str) -> Result<ConfiguredIntegration> {
        let configuration = self.configuration();
        let found = configuration.integrations().find(|one| one.host.eq_ignore_ascii_case(host));
        found.cloned().ok_or(Failure::NO_INTEGRATION)
    }

    /// The agent's own copy of an integration that a call names: where to go is never decided by a call.
    fn own(&self, named: Option<&ConfiguredIntegration>) -> Result<ConfiguredIntegration> {
        let named = named.ok_or(Failure::NO_INTEGRATION)?;
        let configuration = self.configuration();
        let own = configuration.integration(&named.id).ok_or(Failure::NO_INTEGRATION)?;
        let same = own.scm_id == named.scm_id
            && own.host == named.host
            && own.issuer_url == named.issuer_url
            && own.client_id == named.client_id;
        if same { Ok(own.clone()) } else { Err(Failure::ANOTHER_INTEGRATION) }
    }

    /// The client for an integration's forge; `call` is named if there is none for its kind.
    fn forge(
        &self,
        integration: &ConfiguredIntegration,
        call: &'static str,
    ) -> Result<(Site, Box<dyn Forge>)> {
        let site = site(integration)?;
        let forge = forge::open(&self.http, &site)?;
        forge.map(|forge| (site, forge)).ok_or_else(|| Failure::unsupported(call, &integration.scm_id))
    }

    /// The caller's credential for an integration, opened.
    fn credential(&self, caller: Option<&LiveCaller>, integration: &ConfiguredIntegration) -> Result<Opened> {
        let missing = || Failure::unauthenticated(integration);
        let caller = caller.ok_or_else(missing)?;
        let found = self.usable(caller, integration).ok_or_else(missing)?;
        let subject = caller.subject.as_ref().map_or("", |subject| &subject.id);
        let source = found.source();
        let sub = parse_uuid("token_id", &found.token_id).map_err(|_| Failure::UNUSABLE)?;
        let name = if source == Source::Pat { "PAT" } else { "OAUTH" };
        let field = Field::HostTokenValue;
        let place = Place { runner: self.runner, sub, field, a: &found.host, b: subject, c: name };
        let outcome = self.open(&found.sealed_token, &found.kid, &place)?;
        match &*outcome {
            Outcome::Ok(_) => Ok(Opened { outcome, source }),
            _ => Err(Failure::UNUSABLE),
        }
    }

    /// A credential for the integration's host that has not expired; one that came through the integration
    /// itself before others.
    fn usable<'c>(
        &self,
        caller: &'c LiveCaller,
        integration: &ConfiguredIntegration,
    ) -> Option<&'c HostCredential> {
        let now = self.clock.now();
        let good = |one: &&HostCredential| {
            let expired = one
                .expires_at
                .as_ref()
                .is_some_and(|at| Instant(at.seconds.saturating_mul(1_000_000)) <= now);
            one.host.eq_ignore_ascii_case(&integration.host) && !expired
        };
        let mut all: Vec<_> = caller.credentials.iter().filter(good).collect();
        all.sort_by_key(|one| one.integration_id != integration.id);
        all.first().copied()
    }

    fn open(&self, sealed: &[u8], kid: &str, place: &Place<'_>) -> Result<Arc<Outcome>> {
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        opener.open(sealed, kid, place).map_err(Failure::internal)
    }

    /// An integration's client secret, opened.
    fn client_secret(&self, integration: &ConfiguredIntegration) -> Result<Arc<Outcome>> {
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = opener.client_secret(integration).map_err(Failure::internal)?;
        match outcome {
            Some(outcome) if outcome.secret().is_some() => Ok(outcome),
            Some(_) => Err(Failure::SECRET_UNUSABLE),
            None => Err(Failure::NO_OAUTH),
        }
    }

    /// Seals a secret to the runner's own ACTIVE key; the kid comes with it.
    fn seal(&self, secret: &Secret, place: &Place<'_>) -> Result<(Vec<u8>, String)> {
        let kid =
            self.active.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Failure::NO_KEY)?;
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        let key = opener.public_key(&kid).map_err(Failure::internal)?.ok_or(Failure::NO_KEY)?;
        let sealed = seal::seal(&key, place, secret).map_err(Failure::internal)?;
        Ok((sealed.bytes, sealed.kid.0))
    }
}

/// Where an integration's forge is.
fn site(integration: &ConfiguredIntegration) -> Result<Site> {
    let scm = Scm::parse(&integration.scm_id).map_err(|_| Failure::UNKNOWN_SCM)?;
    Ok(Site::new(scm, &integration.host, &integration.virtual_directory))
}
