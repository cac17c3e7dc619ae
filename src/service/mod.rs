//! The use cases: one method each, in the same order everywhere: look up, authorise, decide, act.
//!
//! Names no wire type and no SQL. A caller is authenticated and its kind admitted before a method is called;
//! what a method still decides is whether the thing named is the caller's to see and to change.
mod accounts;
mod audit_chain;
mod audit_log;
mod authentication;
mod configuration;
mod environment_classes;
mod forge_refusals;
mod groups;
mod host_token_refresh;
mod host_tokens;
mod idempotency;
mod integration_pages;
mod integrations;
mod jobs;
mod keyring;
mod live;
mod liveness;
mod llm_integrations;
mod oauth;
mod page_tokens;
mod profiles;
mod recent;
mod retry;
mod revocations;
mod root_rotation;
mod rotation;
mod runner_keys;
mod runner_logs;
mod runner_policies;
mod runners;
mod schemas;
mod sealing;
mod secrets;
mod seeds;
mod service_accounts;
mod ssh_keys;
mod start;
mod tokens;
mod users;
mod validation;
mod watch;
mod web_tokens;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

pub use crate::{at_rest::SeedState, store::Writes};

pub use self::{
    configuration::{Configuration, Content, KnownConfiguration},
    host_token_refresh::{Refresh, RefreshQuestion, Refreshed, Renewal},
    idempotency::{Ask, Attempt},
    jobs::Jobs,
    live::{Asked, LiveHost, Request, Requests},
    liveness::{Pulse, StatusUpdate, View},
    oauth::{CALLBACK, Connected, OauthFlow, OauthNames},
    page_tokens::{Listing, PageAsk},
    rotation::{Rotation, RotationProgress, RotationStage},
    runner_keys::{Begun, Proof},
    runners::CreatedRunner,
    secrets::Resealing,
    seeds::SeedReport,
    start::{Admin, Start, TokenDelivery},
    tokens::{IssuedToken, TokenRequest, TokenSubject},
    validation::TrialCall,
    watch::{Event, Gone, Object, Objects, Seen, Snapshot, Step, Watch},
};
use self::{
    idempotency::InFlight, keyring::Rings, live::Desk, profiles::Profiles, recent::Recent,
    revocations::Revocations, sealing::KeyCache, watch::Hub,
};
use crate::{
    clock::{Clock, Instant},
    domain::{
        access::{Caller, RunnerFacts},
        allowed_origins::AllowedOrigins,
        audit::Actor,
        id::RunnerId,
        public_url::PublicUrl,
        runner::Runner,
        runner_policy::RunnerRole,
        token::{NewToken, TokenKind},
    },
    error::{Error, Result},
    scm::provider::Forges,
    seal::random,
    store::Store,
};

/// Everything the use cases work with.
pub struct Service {
    store: Arc<Store>,
    clock: Clock,
    rings: Rings,
    keys: KeyCache,
    in_flight: InFlight,
    allowed_origins: AllowedOrigins,
    epoch: Uuid,
    /// Which server holds a lease: this one, until it ends.
    process: Uuid,
    hub: Hub,
    desk: Desk,
    revocations: Revocations,
    public_url: PublicUrl,
    forges: Forges,
    profiles: Profiles,
    recent: Recent,
}

/// How long a stream is silent at most.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

impl Service {
    /// The present moment.
    fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The same, reached by browsers and forges at `public_url`.
    #[must_use]
    pub fn reached_at(self, public_url: PublicUrl) -> Self {
        Self { public_url, ..self }
    }

    /// The same, on another way to members' forges.
    #[must_use]
    pub fn asking(self, forges: Forges) -> Self {
        Self { forges, ..self }
    }

    /// Where browsers, forges and clients reach the server.
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The caller, about to make one change.
    fn actor(&self, caller: &Caller) -> Actor {
        Actor::caller(caller, self.now(), self.clock.new_id())
    }

    /// What the caller may do with a runner. Policies are asked for only where they decide.
    async fn role_on(&self, caller: &Caller, runner: &RunnerFacts) -> Result<RunnerRole> {
        let granted = match caller.subject_to_policies(runner) {
            Some(member) => self.store.runner_role(member, runner.id).await?,
            None => None,
        };
        caller.role_on(runner, granted)
    }

    /// Lets through who administers a runner, and the runner itself.
    async fn administers(&self, caller: &Caller, runner: &RunnerFacts) -> Result<()> {
        self.role_on(caller, runner).await?.administers()
    }

    /// A runner of the caller's organization that the caller administers, or is.
    async fn runner_for(&self, caller: &Caller, id: RunnerId) -> Result<Runner> {
        let runner = self.store.runner(caller.organization, id).await?;
        let runner = runner.ok_or_else(|| Error::not_found("runner"))?;
        self.administers(caller, &runner.facts()).await?;
        Ok(runner)
    }

    /// The same, where what it is matters and not what it has.
    async fn reach_runner(&self, caller: &Caller, id: RunnerId) -> Result<RunnerFacts> {
        let facts = self.store.runner_facts(caller.organization, id).await?;
        let facts = facts.ok_or_else(|| Error::not_found("runner"))?;
        self.administers(caller, &facts).await?;
        Ok(facts)
    }

    /// The same, where it is enough that the caller may use the runner.
    async fn use_runner(&self, caller: &Caller, id: RunnerId) -> Result<RunnerFacts> {
        let facts = self.store.runner_facts(caller.organization, id).await?;
        let facts = facts.ok_or_else(|| Error::not_found("runner"))?;
        self.role_on(caller, &facts).await?;
        Ok(facts)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Whatever it answers instead.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// What becomes of writes: of the last ones, and if those failed, of one that is made to find out.
    pub async fn writes(&self) -> Writes {
        if self.store.writes() != Writes::Taken
            && let Err(error) = self.store.probe_writes(self.clock.new_id()).await
        {
            tracing::warn!(%error, "the database takes no writes");
        }
        self.store.writes()
    }

    /// How many writes were acknowledged and how many COMMITs that took.
    #[must_use]
    pub fn write_counts(&self) -> (u64, u64) {
        self.store.write_counts()
    }

    /// Finishes queued writes and closes the database.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// A fresh token of `kind`.
fn new_token(kind: TokenKind) -> Result<NewToken> {
    Ok(NewToken::new(kind, &*random::bytes()?))
}
