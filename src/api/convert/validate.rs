//! Trying out a configuration.
use super::configured;
use crate::{
    domain::{
        secret::Plaintext,
        trial::{Findings, Trial, TrialSecret, check_class},
    },
    pb::{
        gitpod::v1::{
            EnvironmentClass, EnvironmentClassValidationResult, ScmIntegrationValidationResult,
            validate_runner_configuration_request::{
                ValidateScmIntegration, validate_scm_integration::OauthClientSecret,
            },
        },
        sealink::v1::{ValidateCall, validate_call},
    },
    service::TrialCall,
};

impl From<ValidateScmIntegration> for Trial {
    fn from(request: ValidateScmIntegration) -> Self {
        let ValidateScmIntegration {
            id,
            scm_id,
            host,
            oauth_client_id,
            oauth_client_secret,
            pat,
            issuer_url,
            virtual_directory,
        } = request;
        let secret = match oauth_client_secret {
            None => TrialSecret::None,
            Some(OauthClientSecret::OauthPlaintextClientSecret(text)) => {
                TrialSecret::Plain(Plaintext::new(text))
            }
            Some(OauthClientSecret::OauthEncryptedClientSecret(bytes)) if bytes.is_empty() => {
                TrialSecret::None
            }
            Some(OauthClientSecret::OauthEncryptedClientSecret(bytes)) => TrialSecret::Stored(bytes),
        };
        Self { id, scm_id, host, client_id: oauth_client_id, secret, pat, issuer_url, virtual_directory }
    }
}

/// What a live agent is asked about an integration.
pub(crate) fn trial_call(trial: TrialCall) -> ValidateCall {
    let mut integration = configured(trial.integration, &trial.runner);
    if !trial.exists {
        integration.id = String::new();
    }
    let secret_is_stored = trial.secret_is_stored;
    let asked = validate_call::Integration { integration: Some(integration), secret_is_stored };
    ValidateCall { config: Some(validate_call::Config::ScmIntegration(asked)) }
}

/// What the rules found.
pub(crate) fn findings(findings: Findings) -> ScmIntegrationValidationResult {
    let Findings { scm_id, host, oauth, pat } = findings;
    ScmIntegrationValidationResult {
        valid: false,
        scm_id_error: scm_id,
        host_error: host,
        oauth_error: oauth,
        pat_error: pat,
    }
}

/// What an agent found; it is valid only if nothing is wrong.
pub(crate) fn tried(mut result: ScmIntegrationValidationResult) -> ScmIntegrationValidationResult {
    let errors = [&result.scm_id_error, &result.host_error, &result.oauth_error, &result.pat_error]
        .map(Option::is_some);
    result.valid &= !errors.contains(&true);
    result
}

/// What the rules find in an environment class; `None` if nothing.
pub(crate) fn class_findings(class: &EnvironmentClass) -> Option<EnvironmentClassValidationResult> {
    let (display_name_error, description_error) = check_class(&class.display_name, &class.description);
    if display_name_error.is_none() && description_error.is_none() {
        return None;
    }
    Some(EnvironmentClassValidationResult {
        valid: false,
        display_name_error,
        description_error,
        configuration_errors: Vec::new(),
    })
}
