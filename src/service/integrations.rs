//! SCM integrations. Their lists are in `integration_pages`.
use super::{Service, retry::until_settled};
use crate::{
    clock::Instant,
    domain::{
        access::Caller,
        id::IntegrationId,
        integration::{Draft, Integration, NewOAuth, OAuth},
        integration_patch::{OAuthPlan, Patch},
        runner::Runner,
        runner_policy::RunnerRole,
        secret::Secret,
    },
    error::{Error, Kind, Result},
    seal::{Field, Place},
    store::IntegrationUpdate,
};

impl Service {
    /// Configures a host for a runner; the secret is sealed before anything is stored.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner, [`Kind::Invalid`] for the draft,
    /// [`Kind::Precondition`] without a key to seal with, [`Kind::AlreadyExists`] for a second one of the
    /// same SCM and host.
    pub async fn create_integration(&self, caller: &Caller, draft: Draft) -> Result<IntegrationId> {
        if let Some(id) = caller.repeats()? {
            return Ok(IntegrationId(id));
        }
        let runner = self.runner_for(caller, draft.runner).await?;
        let new = draft.accept(&self.allowed_origins)?;
        let now = self.now();
        let integration = Integration {
            id: IntegrationId(self.clock.new_id()),
            runner: runner.id,
            scm_id: new.scm.id().to_owned(),
            host: new.host,
            oauth: None,
            pat: new.pat,
            virtual_directory: new.virtual_directory,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let (scm, oauth) = (new.scm, new.oauth);
        let mut known = Some(runner);
        until_settled(|| {
            let (known, mut integration, oauth) = (known.take(), integration.clone(), &oauth);
            async move {
                let runner = match known {
                    Some(runner) => runner,
                    // A conflict: the key was replaced between the look-up and the commit.
                    None => self.runner_for(caller, integration.runner).await?,
                };
                if runner.offered.as_ref().is_some_and(|offered| !offered.contains(scm)) {
                    let message = "value must be one of those in the runner's schema";
                    return Err(Error::invalid("scm_id", "sealink.scm_id", message));
                }
                if let Some(NewOAuth { client_id, issuer, secret }) = oauth {
                    let app = OAuth { client_id: client_id.clone(), issuer: issuer.clone(), secret: None };
                    integration.oauth = Some(self.seal_oauth(&runner, &integration, app, secret)?);
                }
                self.store.create_integration(self.actor(caller), runner.creator, integration).await
            }
        })
        .await?;
        Ok(integration.id)
    }

    /// The app with its secret, sealed for the integration.
    fn seal_oauth(
        &self,
        runner: &Runner,
        integration: &Integration,
        app: OAuth,
        secret: &Secret,
    ) -> Result<OAuth> {
        let place = Place {
            runner: integration.runner,
            sub: integration.id.0,
            field: Field::OauthClientSecret,
            a: integration.host.as_str(),
            b: app.issuer.as_ref().map_or("", |issuer| issuer.as_str()),
            c: &app.client_id,
        };
        let secret = self.keys.seal_for(runner, &place, secret)?;
        Ok(OAuth { secret: Some(secret), ..app })
    }

    /// One integration.
    ///
    /// # Errors
    /// [`Kind::NotFound`], the same for what never existed and what is another organization's;
    /// [`Kind::Forbidden`] for a runner the caller may not use.
    pub async fn integration(&self, caller: &Caller, id: IntegrationId) -> Result<Integration> {
        let (integration, role) = self.integration_and_role(caller, id).await?;
        Ok(integration.seen_with(role))
    }

    /// Whether the caller may change an integration, before anything else is said of its request.
    ///
    /// # Errors
    /// As [`Service::integration`]; [`Kind::Forbidden`] also for one of a runner the caller may only use.
    pub async fn may_change_integration(&self, caller: &Caller, id: IntegrationId) -> Result<()> {
        self.administered_integration(caller, id).await.map(|_| ())
    }

    /// One integration with its ciphertext, for who administers its runner.
    async fn administered_integration(&self, caller: &Caller, id: IntegrationId) -> Result<Integration> {
        let (integration, role) = self.integration_and_role(caller, id).await?;
        role.administers()?;
        Ok(integration)
    }

    async fn integration_and_role(
        &self,
        caller: &Caller,
        id: IntegrationId,
    ) -> Result<(Integration, RunnerRole)> {
        let missing = || Error::not_found("SCM integration");
        let found = self.store.integration(caller.organization, id).await?;
        let (integration, runner) = found.ok_or_else(missing)?;
        match self.role_on(caller, &runner).await {
            Ok(role) => Ok((integration, role)),
            Err(error) if error.kind() == Kind::NotFound => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// Changes an integration as the patch says, all of it or nothing.
    ///
    /// # Errors
    /// As [`Service::integration`]; [`Kind::Invalid`] and [`Kind::Precondition`] as [`Patch::plan`], and
    /// [`Kind::Precondition`] without a key to seal with; [`Kind::Conflict`] if others keep changing it.
    pub async fn update_integration(&self, caller: &Caller, id: IntegrationId, patch: &Patch) -> Result<()> {
        until_settled(|| async {
            let current = self.administered_integration(caller, id).await?;
            match self.decide(caller, &current, patch).await? {
                Some(update) => self.store.update_integration(self.actor(caller), update).await,
                None if patch.drops().is_empty() => Ok(()),
                None => self.store.drop_host_tokens(self.actor(caller), current, patch.drops()).await,
            }
        })
        .await
    }

    /// What the patch makes of the integration; `None` if nothing changes.
    async fn decide(
        &self,
        caller: &Caller,
        current: &Integration,
        patch: &Patch,
    ) -> Result<Option<IntegrationUpdate>> {
        let plan = patch.plan(current)?;
        let mut changed = Vec::new();
        let oauth = match plan.oauth {
            OAuthPlan::Keep => current.oauth.clone(),
            OAuthPlan::Remove => {
                changed.push("oauth_client_id");
                None
            }
            OAuthPlan::Seal { client_id, issuer, secret } => {
                changed.push("oauth_plaintext_client_secret");
                if current.oauth.as_ref().is_none_or(|now| now.client_id != client_id) {
                    changed.push("oauth_client_id");
                }
                if current.oauth.as_ref().is_none_or(|now| now.issuer != issuer) {
                    changed.push("issuer_url");
                }
                let runner = self.runner_for(caller, current.runner).await?;
                let app = OAuth { client_id, issuer, secret: None };
                Some(self.seal_oauth(&runner, current, app, secret)?)
            }
        };
        if plan.pat != current.pat {
            changed.push("pat");
        }
        if plan.virtual_directory != current.virtual_directory {
            changed.push("virtual_directory");
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let integration = Integration {
            oauth,
            pat: plan.pat,
            virtual_directory: plan.virtual_directory,
            version: current.version + 1,
            updated_at: self.later_than(current.updated_at),
            ..current.clone()
        };
        let expected_version = current.version;
        Ok(Some(IntegrationUpdate { integration, expected_version, changed, drops: patch.drops() }))
    }

    /// The present moment, but never before `other`, whatever the machine's clock says.
    fn later_than(&self, other: Instant) -> Instant {
        self.now().max(other)
    }

    /// Deletes an integration and its ciphertext, and the host tokens that came by it.
    ///
    /// # Errors
    /// As [`Service::integration`].
    pub async fn delete_integration(&self, caller: &Caller, id: IntegrationId) -> Result<()> {
        self.may_change_integration(caller, id).await?;
        let deleted = self.store.delete_integration(self.actor(caller), id).await?;
        if deleted { Ok(()) } else { Err(Error::not_found("SCM integration")) }
    }
}
