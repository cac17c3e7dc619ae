//! Runners.
use zeroize::Zeroizing;

use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    at_rest::Location,
    domain::{
        access::Caller,
        id::RunnerId,
        runner::{NewRunner, Runner},
        runner_patch::{RunnerPatch, SecretPatch},
        secret::Secret,
    },
    error::{Error, Kind, Result},
    seal::{Field, Place},
    store::{NewRunnerRow, RecordUpdate, RunnerFilter, RunnerUpdate},
};

/// How often a change is decided anew when somebody else was faster.
const ATTEMPTS: u32 = 5;
const METRICS_PASSWORD: &str = "spec.configuration.metrics.password";
const HONEYCOMB_KEY: &str = "spec.configuration.honeycomb_api_key";

/// A runner that was just made, and the token its agent starts with.
pub struct CreatedRunner {
    /// The runner.
    pub runner: Runner,
    /// Exchanged once, within 24 hours, for the runner's access token.
    pub exchange_token: Zeroizing<String>,
}

impl Service {
    /// Creates a runner and its first exchange token.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a runner.
    pub async fn create_runner(&self, caller: &Caller, new: NewRunner) -> Result<CreatedRunner> {
        let creator = caller.user()?;
        let id = RunnerId(self.clock.new_id());
        let (exchange_token, token) = self.exchange_token_for(id)?;
        let password = SecretPatch::parse(METRICS_PASSWORD, new.metrics_password)?;
        let actor = self.actor(caller);
        let row = NewRunnerRow {
            id,
            creator,
            name: new.name.clone(),
            kind: new.kind,
            provider: new.provider,
            configuration: new.configuration.clone(),
            metrics_password: self.seal_password(id, &password)?,
            token,
        };
        let now = actor.at;
        self.store.create_runner(actor, row).await?;
        let runner = Runner {
            id,
            organization: caller.organization,
            creator,
            name: new.name,
            kind: new.kind,
            provider: new.provider,
            configuration: new.configuration,
            honeycomb_key: None,
            active_key: None,
            registered: false,
            revision: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok(CreatedRunner { runner, exchange_token })
    }

    /// What becomes of a metrics password at rest: nothing, gone, or this record.
    fn seal_password(&self, id: RunnerId, password: &SecretPatch) -> Result<Option<Option<Vec<u8>>>> {
        match password {
            SecretPatch::Keep => Ok(None),
            SecretPatch::Remove => Ok(Some(None)),
            SecretPatch::Set(secret) => {
                let id = id.to_string();
                let record =
                    self.keyring.seal(&metrics_password_location(&id), secret.expose().as_bytes())?;
                Ok(Some(Some(record)))
            }
        }
    }

    /// One runner.
    ///
    /// # Errors
    /// [`Kind::NotFound`], the same for what never existed and what is another organization's;
    /// [`Kind::Forbidden`] for one the caller may not use.
    pub async fn runner(&self, caller: &Caller, id: RunnerId) -> Result<Runner> {
        self.runner_for(caller, id).await
    }

    /// A page of the runners the caller may see, oldest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the page.
    pub async fn runners(
        &self,
        caller: &Caller,
        filter: RunnerFilter,
        ask: &PageAsk,
    ) -> Result<Listing<Runner>> {
        let fingerprint = [format!("{:?}", (&filter.creators, &filter.kinds, &filter.providers))];
        let (list, now) = (List { name: "runners", filter: &fingerprint }, self.now());
        let request = self.pages.read(caller, list, ask, now)?;
        let page = self.store.runners(caller.organization, caller.visible(), filter, request).await?;
        self.pages.write(caller, list, page, now)
    }

    /// Changes a runner as the patch says, all of it or nothing.
    ///
    /// # Errors
    /// As [`Service::runner`]; [`Kind::Invalid`] for a secret that breaks the rules; [`Kind::Precondition`]
    /// for a secret that must be sealed to a runner without a key.
    pub async fn update_runner(&self, caller: &Caller, id: RunnerId, patch: &RunnerPatch) -> Result<()> {
        let mut attempt = 1;
        loop {
            let current = self.runner_for(caller, id).await?;
            let update = self.decide_runner(&current, patch)?;
            match self.store.update_runner(self.actor(caller), update).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => {}
                done => return done,
            }
            attempt += 1;
        }
    }

    fn decide_runner(&self, current: &Runner, patch: &RunnerPatch) -> Result<RunnerUpdate> {
        let (name, configuration) = patch.apply(current);
        let password = SecretPatch::parse(METRICS_PASSWORD, patch.metrics.password.clone())?;
        let honeycomb_key = match SecretPatch::parse(HONEYCOMB_KEY, patch.honeycomb_key.clone())? {
            SecretPatch::Keep => current.honeycomb_key.clone(),
            SecretPatch::Remove => None,
            SecretPatch::Set(key) => Some(self.seal_honeycomb(current, &key)?),
        };
        Ok(RunnerUpdate {
            id: current.id,
            expected_version: current.version,
            name,
            configuration,
            honeycomb_key,
            metrics_password: self.seal_password(current.id, &password)?,
        })
    }

    fn seal_honeycomb(&self, runner: &Runner, key: &Secret) -> Result<crate::domain::secret::Sealed> {
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
