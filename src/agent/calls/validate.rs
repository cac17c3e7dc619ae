//! Whether an integration works: really tried at the forge, without storing anything.
use super::{Desk, Failure, Result, site};
use crate::{
    agent::forge::{self, Credential, Forge, ForgeError, oauth::OAuthError},
    domain::{id::parse_uuid, scm::Scm, secret::Secret},
    pb::{
        gitpod::v1::{EnvironmentClassValidationResult, ScmIntegrationValidationResult},
        sealink::v1::{ConfiguredIntegration, ValidateCall, ValidateResult, validate_call, validate_result},
    },
    seal::{Field, Place},
};

/// A token that no forge has given out.
const NOBODYS: &str = "sealink-asks-whether-tokens-are-read";

impl Desk {
    pub(super) async fn validate(&self, request_id: &str, call: ValidateCall) -> Result<ValidateResult> {
        let result = match call.config {
            // This agent runs no environments, so it has no objection to any class.
            Some(validate_call::Config::EnvironmentClass(_)) => {
                validate_result::Result::EnvironmentClass(EnvironmentClassValidationResult {
                    valid: true,
                    ..Default::default()
                })
            }
            Some(validate_call::Config::ScmIntegration(asked)) => {
                let integration = asked.integration.unwrap_or_default();
                let found = self.try_integration(request_id, &integration, asked.secret_is_stored).await?;
                validate_result::Result::ScmIntegration(found)
            }
            None => return Err(Failure::unimplemented()),
        };
        Ok(ValidateResult { result: Some(result) })
    }

    async fn try_integration(
        &self,
        request_id: &str,
        integration: &ConfiguredIntegration,
        stored: bool,
    ) -> Result<ScmIntegrationValidationResult> {
        let mut found = ScmIntegrationValidationResult::default();
        if Scm::parse(&integration.scm_id).is_err() {
            found.scm_id_error = Some("the runner does not know this kind of forge".to_owned());
            return Ok(found);
        }
        // A stored secret meets no other host than its own: a sealed box does not know where it belongs.
        if stored {
            let own = self.own(Some(integration))?;
            if own.encrypted_client_secret != integration.encrypted_client_secret
                || own.kid != integration.kid
            {
                return Err(Failure::ANOTHER_INTEGRATION);
            }
        }
        let probed = match forge::open(&self.http, &site(integration)?) {
            Ok(Some(forge)) => forge.probe().await.map(|()| forge),
            Ok(None) => return Err(Failure::unsupported("Validate", &integration.scm_id)),
            Err(error) => Err(error),
        };
        let forge = match probed {
            Ok(forge) => forge,
            Err(error) => {
                found.host_error = Some(error.to_string());
                return Ok(found);
            }
        };
        if integration.pat {
            found.pat_error = try_tokens(&*forge).await?;
        }
        if !integration.client_id.is_empty() && !integration.encrypted_client_secret.is_empty() {
            found.oauth_error = self.try_client(request_id, integration, stored).await?;
        }
        found.valid = found.oauth_error.is_none() && found.pat_error.is_none();
        Ok(found)
    }

    /// What is wrong with the OAuth app, if anything.
    async fn try_client(
        &self,
        request_id: &str,
        integration: &ConfiguredIntegration,
        stored: bool,
    ) -> Result<Option<String>> {
        let app = self.app(integration, "Validate")?;
        let (id, field) = if stored {
            (integration.id.as_str(), Field::OauthClientSecret)
        } else {
            (request_id, Field::ValidateClientSecret)
        };
        let place = Place {
            runner: self.runner,
            sub: parse_uuid("id", id).map_err(Failure::internal)?,
            field,
            a: &integration.host,
            b: &integration.issuer_url,
            c: &integration.client_id,
        };
        let outcome = self.open(&integration.encrypted_client_secret, &integration.kid, &place)?;
        let Some(secret) = outcome.secret() else {
            return Ok(Some("the runner cannot open the client secret; enter it again".to_owned()));
        };
        match app.check(&self.http, secret).await {
            Ok(()) => Ok(None),
            Err(error @ (OAuthError::BadClient | OAuthError::Forge(_))) => Ok(Some(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

/// What stands against personal access tokens: a forge that takes them refuses one that nobody has.
async fn try_tokens(forge: &dyn Forge) -> Result<Option<String>> {
    let nobodys = Secret::parse("token", NOBODYS.to_owned()).map_err(Failure::internal)?;
    Ok(match forge.user(Credential::Pat(&nobodys)).await {
        // Who limits or forbids has looked at the token.
        Err(ForgeError::Unauthenticated | ForgeError::Forbidden | ForgeError::RateLimited(_)) => None,
        Err(error) => Some(error.to_string()),
        Ok(_) => Some("the forge takes any personal access token".to_owned()),
    })
}
