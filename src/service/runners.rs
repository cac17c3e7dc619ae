//! Runners.
use zeroize::Zeroizing;

use super::{Listing, PageAsk, Service, page_tokens::List, retry::until_settled};
use crate::{
    at_rest::Location,
    domain::{
        access::{Caller, Visible},
        id::RunnerId,
        liveness::Liveness,
        page::Page,
        runner::{NewRunner, Runner, RunnerFilter},
        runner_patch::{RunnerPatch, RunnerPlan},
        secret::{Sealed, Secret, SecretPatch},
    },
    error::{Error, Result},
    seal::{Field, Place},
    store::{NewRunnerRow, RecordUpdate, RunnerUpdate},
};

/// A runner that was just made, and the token its agent starts with.
pub struct CreatedRunner {
    /// The runner.
    pub runner: Runner,
    /// Exchanged once, within 24 hours, for the runner's access token.
    pub exchange_token: Zeroizing<String>,
}

impl Service {
    /// Creates a runner and its first exchange token. A repeat answers the same runner with a fresh token.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) for a runner.
    pub async fn create_runner(&self, caller: &Caller, new: NewRunner) -> Result<CreatedRunner> {
        let creator = caller.user()?;
        if let Some(id) = caller.repeats()? {
            let (runner, caller) = (self.runner(caller, RunnerId(id)).await?, caller.anew());
            let exchange_token = self.create_runner_token(&caller, runner.id).await?;
            return Ok(CreatedRunner { runner, exchange_token });
        }
        let id = RunnerId(self.clock.new_id());
        let (exchange_token, token) = self.exchange_token_for(id)?;
        let password = new.metrics_password;
        let actor = self.actor(caller);
        let row = NewRunnerRow {
            id,
            creator,
            name: new.name.clone(),
            kind: new.kind,
            provider: new.provider,
            configuration: new.configuration.clone(),
            metrics_password: match &password {
                None => RecordUpdate::Keep,
                Some(password) => RecordUpdate::Set(self.seal_password(id, password)?),
            },
            token,
        };
        let now = actor.at;
        self.store.create_runner(actor, row).await?;
        let runner = Runner {
            id,
            organization: caller.organization,
            creator,
            creator_kind: caller.member_kind()?,
            name: new.name,
            kind: new.kind,
            provider: new.provider,
            configuration: new.configuration,
            honeycomb_key: None,
            has_metrics_password: password.is_some(),
            active_key: None,
            registered: false,
            offered: None,
            liveness: Liveness::default(),
            revision: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok(CreatedRunner { runner, exchange_token })
    }

    /// A metrics password as it is stored.
    fn seal_password(&self, id: RunnerId, password: &Secret) -> Result<Vec<u8>> {
        let id = id.to_string();
        self.ring().keyring.seal(&metrics_password_location(&id), password.expose().as_bytes())
    }

    /// One runner.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound), the same for what never existed and what is another
    /// organization's; [`Kind::Forbidden`](crate::error::Kind::Forbidden) for one the caller may not use.
    pub async fn runner(&self, caller: &Caller, id: RunnerId) -> Result<Runner> {
        let runner = self.store.runner(caller.organization, id).await?;
        let runner = runner.ok_or_else(|| Error::not_found("runner"))?;
        let role = self.role_on(caller, &runner.facts()).await?;
        Ok(runner.seen_with(role))
    }

    /// Whether the caller may change a runner, before anything else is said of its request.
    ///
    /// # Errors
    /// As [`Service::runner`]; [`Kind::Forbidden`](crate::error::Kind::Forbidden) also for one the caller may
    /// only use.
    pub async fn may_change_runner(&self, caller: &Caller, id: RunnerId) -> Result<()> {
        self.reach_runner(caller, id).await.map(|_| ())
    }

    /// A page of the runners the caller may see, oldest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for the page.
    pub async fn runners(
        &self,
        caller: &Caller,
        filter: RunnerFilter,
        ask: &PageAsk,
    ) -> Result<Listing<Runner>> {
        let fingerprint = [format!("{:?}", (&filter.creators, &filter.kinds, &filter.providers))];
        let (list, now) = (List { name: "runners", filter: &fingerprint }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let visible = caller.visible();
        let page = match visible {
            Visible::CreatedBy(member) => {
                let (own, granted) = tokio::try_join!(
                    self.store.runners(caller.organization, visible, filter.clone(), request),
                    self.store.granted_runners(member, filter, request),
                )?;
                let granted = granted.map(|(runner, role)| runner.seen_with(role));
                Page::merge(vec![own, granted], request.size, |runner| runner.id.0)
            }
            Visible::Organization | Visible::Only(_) => {
                self.store.runners(caller.organization, visible, filter, request).await?
            }
        };
        self.ring().pages.write(caller, list, page, now)
    }

    /// Changes a runner as the patch says, all of it or nothing.
    ///
    /// # Errors
    /// As [`Service::runner`]; [`Kind::Precondition`](crate::error::Kind::Precondition) for a secret that must
    /// be sealed to a runner without a key; [`Kind::Conflict`](crate::error::Kind::Conflict) if others keep
    /// changing it.
    pub async fn update_runner(&self, caller: &Caller, id: RunnerId, patch: &RunnerPatch) -> Result<()> {
        until_settled(|| async {
            let current = self.runner_for(caller, id).await?;
            let Some(update) = self.decide_runner(&current, patch)? else { return Ok(()) };
            self.store.update_runner(self.actor(caller), update).await
        })
        .await
    }

    /// What the patch makes of the runner; `None` if nothing changes.
    fn decide_runner(&self, current: &Runner, patch: &RunnerPatch) -> Result<Option<RunnerUpdate>> {
        let RunnerPlan { name, configuration, mut changed } = patch.plan(current);
        let honeycomb_key = match &patch.honeycomb_key {
            SecretPatch::Keep => current.honeycomb_key.clone(),
            SecretPatch::Remove => None,
            SecretPatch::Set(key) => Some(self.seal_honeycomb(current, key)?),
        };
        if honeycomb_key != current.honeycomb_key {
            changed.push("honeycomb_api_key");
        }
        let metrics_password = match &patch.metrics.password {
            SecretPatch::Remove if current.has_metrics_password => RecordUpdate::Remove,
            SecretPatch::Keep | SecretPatch::Remove => RecordUpdate::Keep,
            SecretPatch::Set(password) => RecordUpdate::Set(self.seal_password(current.id, password)?),
        };
        if !matches!(metrics_password, RecordUpdate::Keep) {
            changed.push("metrics.password");
        }
        if changed.is_empty() {
            return Ok(None);
        }
        Ok(Some(RunnerUpdate {
            id: current.id,
            expected_version: current.version,
            name,
            configuration,
            honeycomb_key,
            metrics_password,
            changed,
        }))
    }

    fn seal_honeycomb(&self, runner: &Runner, key: &Secret) -> Result<Sealed> {
        let field = Field::RunnerHoneycombApiKey;
        let place = Place { runner: runner.id, sub: runner.id.0, field, a: "", b: "", c: "" };
        self.keys.seal_for(runner, &place, key)
    }

    /// Deletes a runner with everything that belongs to it, at once.
    ///
    /// # Errors
    /// As [`Service::runner`].
    pub async fn delete_runner(&self, caller: &Caller, id: RunnerId) -> Result<()> {
        self.reach_runner(caller, id).await?;
        let deleted = self.store.delete_runner(self.actor(caller), id).await?;
        if deleted { Ok(()) } else { Err(Error::not_found("runner")) }
    }

    /// Makes another exchange token; earlier ones stay valid.
    ///
    /// # Errors
    /// As [`Service::runner`].
    pub async fn create_runner_token(&self, caller: &Caller, id: RunnerId) -> Result<Zeroizing<String>> {
        self.reach_runner(caller, id).await?;
        let (text, row) = self.exchange_token_for(id)?;
        self.store.create_token(self.actor(caller), row, "runner.create_token").await?;
        Ok(text)
    }
}

/// Where a runner's metrics password stands at rest; `id` is the runner's.
pub(super) fn metrics_password_location(id: &str) -> Location<'_> {
    Location { table_and_column: "runner.metrics_password", owner_id: id, row_id: id, url_origin: "" }
}
