//! Trying out a configuration: the rules here, the rest at a live agent.
use super::Service;
use crate::{
    domain::{
        access::Caller,
        id::{CallId, IntegrationId, RunnerId},
        integration::{Integration, NewIntegration, NewOAuth, OAuth},
        runner::Runner,
        secret::Sealed,
        trial::{ClassFindings, ClassTrial, Findings, Trial, TrialSecret, require_as_stored},
    },
    error::{Error, Result},
    seal::{Field, Place},
};

/// What a live agent is to try.
#[derive(Debug)]
pub struct TrialCall {
    /// The call that the secret is sealed for.
    pub call: CallId,
    /// The runner.
    pub runner: Runner,
    /// The integration as it would be stored.
    pub integration: Integration,
    /// Whether its secret is the stored one.
    pub secret_is_stored: bool,
    /// Whether it exists already.
    pub exists: bool,
}

impl Service {
    /// Checks an integration as far as the rules go, and prepares the rest for a live agent. A plaintext secret
    /// is sealed for that one call and never stored.
    ///
    /// # Errors
    /// As [`Service::live_runner`]; [`Kind::NotFound`](crate::error::Kind::NotFound) for an integration that the
    /// runner does not have; [`Kind::Precondition`](crate::error::Kind::Precondition) for a stored secret with
    /// anything it is not stored with, and without a key to seal with.
    pub async fn prepare_trial(
        &self,
        caller: &Caller,
        id: RunnerId,
        mut trial: Trial,
    ) -> Result<Result<TrialCall, Findings>> {
        self.reach_runner(caller, id).await?;
        let stored = self.tried_integration(caller, id, &trial.id).await?;
        let kept = match std::mem::replace(&mut trial.secret, TrialSecret::None) {
            TrialSecret::Stored(bytes) => {
                let sealed = as_stored(stored.as_ref(), &trial, &bytes);
                require_as_stored(sealed.is_some())?;
                trial.secret = TrialSecret::Stored(bytes);
                sealed
            }
            other => {
                trial.secret = other;
                None
            }
        };
        let runner = self.live_runner(caller, id).await?;
        let secret_is_stored = kept.is_some();
        let new = match trial.check(id, &self.allowed_origins) {
            Ok(new) => new,
            Err(findings) => return Ok(Err(findings)),
        };
        if let Some(reported) = self.store.schema(id).await? {
            let findings = Findings::of_schema(&new, &reported);
            if !findings.is_empty() {
                return Ok(Err(findings));
            }
        }
        let call = self.new_call_id();
        let exists = stored.is_some();
        let integration = self.tried(&runner, call, stored, new, kept)?;
        Ok(Ok(TrialCall { call, runner, integration, secret_is_stored, exists }))
    }

    /// Checks an environment class as far as the rules and the runner's schema go. The runner, if an agent of it
    /// is to say the rest.
    ///
    /// # Errors
    /// As [`Service::live_runner`].
    pub async fn prepare_class_trial(
        &self,
        caller: &Caller,
        id: RunnerId,
        trial: &ClassTrial,
    ) -> Result<Result<Runner, ClassFindings>> {
        self.reach_runner(caller, id).await?;
        let runner = self.live_runner(caller, id).await?;
        let reported = self.store.schema(id).await?;
        let findings = trial.check(reported.as_ref());
        Ok(if findings.is_empty() { Ok(runner) } else { Err(findings) })
    }

    async fn tried_integration(
        &self,
        caller: &Caller,
        runner: RunnerId,
        id: &str,
    ) -> Result<Option<Integration>> {
        if id.is_empty() {
            return Ok(None);
        }
        let integration = self.integration(caller, IntegrationId::parse("scm_integration.id", id)?).await?;
        if integration.runner != runner {
            return Err(Error::not_found("SCM integration"));
        }
        Ok(Some(integration))
    }

    /// The integration as it would be, its secret sealed for the call unless it is the stored one.
    fn tried(
        &self,
        runner: &Runner,
        call: CallId,
        stored: Option<Integration>,
        new: NewIntegration,
        kept: Option<Sealed>,
    ) -> Result<Integration> {
        let now = self.now();
        let NewIntegration { scm, host, oauth, pat, virtual_directory } = new;
        let (id, version) = stored.map_or((IntegrationId(call.0), 0), |stored| (stored.id, stored.version));
        let oauth = match (oauth, kept) {
            (None, _) => None,
            (Some(app), Some(sealed)) => {
                Some(OAuth { client_id: app.client_id, issuer: app.issuer, secret: Some(sealed) })
            }
            (Some(NewOAuth { client_id, issuer, secret }), None) => {
                let place = Place {
                    runner: runner.id,
                    sub: call.0,
                    field: Field::ValidateClientSecret,
                    a: host.as_str(),
                    b: issuer.as_ref().map_or("", |issuer| issuer.as_str()),
                    c: &client_id,
                };
                let sealed = self.keys.seal_for(runner, &place, &secret)?;
                Some(OAuth { client_id, issuer, secret: Some(sealed) })
            }
        };
        Ok(Integration {
            id,
            runner: runner.id,
            scm_id: scm.id().to_owned(),
            host,
            oauth,
            pat,
            virtual_directory,
            version,
            created_at: now,
            updated_at: now,
        })
    }
}

/// The stored secret, if the trial repeats everything it is bound to. Anything else would make the runner open a
/// secret for a destination that its owner never named.
fn as_stored(stored: Option<&Integration>, trial: &Trial, bytes: &[u8]) -> Option<Sealed> {
    let stored = stored?;
    let app = stored.oauth.as_ref()?;
    let secret = app.secret.as_ref()?;
    let issuer = app.issuer.as_ref().map_or("", |issuer| issuer.as_str());
    let same = secret.bytes == bytes
        && stored.scm_id == trial.scm_id
        && stored.host.as_str() == trial.host
        && issuer == trial.issuer_url.as_deref().unwrap_or_default()
        && Some(app.client_id.as_str()) == trial.client_id.as_deref();
    same.then(|| secret.clone())
}
