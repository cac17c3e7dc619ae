//! SCM integrations.
use super::secret::{kid, secret_state};
use crate::{
    domain::{
        id::RunnerId,
        integration::{Draft, Integration},
        integration_patch::Patch,
        runner::Runner,
        secret::Plaintext,
        secret_state::SecretState,
    },
    error::{Error, Result},
    pb::{
        gitpod::v1::{
            CreateScmIntegrationRequest, ScmIntegration, ScmIntegrationOAuthConfig,
            UpdateScmIntegrationRequest,
        },
        sealink::v1::ConfiguredIntegration,
    },
};

impl TryFrom<CreateScmIntegrationRequest> for Draft {
    type Error = Error;

    fn try_from(request: CreateScmIntegrationRequest) -> Result<Self> {
        let CreateScmIntegrationRequest {
            runner_id,
            scm_id,
            host,
            oauth_client_id,
            oauth_plaintext_client_secret,
            pat,
            issuer_url,
            virtual_directory,
        } = request;
        Ok(Self {
            runner: RunnerId::parse("runner_id", &runner_id)?,
            scm_id,
            host,
            client_id: oauth_client_id,
            client_secret: oauth_plaintext_client_secret.map(Plaintext::new),
            pat,
            issuer_url,
            virtual_directory,
        })
    }
}

impl TryFrom<UpdateScmIntegrationRequest> for Patch {
    type Error = Error;

    fn try_from(request: UpdateScmIntegrationRequest) -> Result<Self> {
        let UpdateScmIntegrationRequest {
            id: _,
            oauth_client_id,
            oauth_plaintext_client_secret,
            pat,
            issuer_url,
            virtual_directory,
        } = request;
        let secret = oauth_plaintext_client_secret.map(Plaintext::new);
        Ok(Self {
            client_secret: Self::client_secret(oauth_client_id.as_deref(), secret)?,
            client_id: oauth_client_id,
            pat,
            issuer_url,
            virtual_directory,
        })
    }
}

/// An integration as those see it who administer its runner, or are it.
pub(crate) fn integration(integration: Integration) -> ScmIntegration {
    let oauth = integration.oauth.map(|oauth| ScmIntegrationOAuthConfig {
        client_id: oauth.client_id,
        encrypted_client_secret: oauth.secret.map(|secret| secret.bytes).unwrap_or_default(),
        issuer_url: oauth.issuer.map(|issuer| issuer.as_str().to_owned()).unwrap_or_default(),
    });
    ScmIntegration {
        id: integration.id.to_string(),
        scm_id: integration.scm_id,
        host: integration.host.into_string(),
        oauth,
        pat: integration.pat,
        runner_id: integration.runner.to_string(),
        virtual_directory: integration.virtual_directory,
    }
}

/// An integration as its runner's agents get it.
pub(crate) fn configured(integration: &Integration, runner: &Runner) -> ConfiguredIntegration {
    let oauth = integration.oauth.as_ref();
    let secret = oauth.and_then(|oauth| oauth.secret.as_ref());
    let issuer = oauth.and_then(|oauth| oauth.issuer.as_ref());
    ConfiguredIntegration {
        id: integration.id.to_string(),
        scm_id: integration.scm_id.clone(),
        host: integration.host.as_str().to_owned(),
        issuer_url: issuer.map(|issuer| issuer.as_str().to_owned()).unwrap_or_default(),
        client_id: oauth.map(|oauth| oauth.client_id.clone()).unwrap_or_default(),
        virtual_directory: integration.virtual_directory.clone().unwrap_or_default(),
        pat: integration.pat,
        encrypted_client_secret: secret.map(|secret| secret.bytes.clone()).unwrap_or_default(),
        kid: kid(secret),
        secret_state: secret_state(SecretState::of(integration, runner)).into(),
        version: integration.version,
    }
}
