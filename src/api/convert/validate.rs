//! Trying out a configuration.
use super::configured;
use crate::{
    domain::{
        environment_class::Setting,
        secret::Plaintext,
        trial::{ClassFindings, ClassTrial, Findings, Trial, TrialSecret},
    },
    pb::{
        gitpod::v1::{
            EnvironmentClass, EnvironmentClassValidationResult, FieldValidationError, FieldValue,
            ScmIntegrationValidationResult,
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
pub(crate) fn trial_call(trial: &TrialCall) -> ValidateCall {
    let mut integration = configured(&trial.integration, &trial.runner);
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

/// An environment class to be tried out.
pub(crate) fn class_trial(class: &EnvironmentClass) -> ClassTrial {
    let setting = |setting: &FieldValue| Setting { key: setting.key.clone(), value: setting.value.clone() };
    ClassTrial {
        display_name: class.display_name.clone(),
        description: class.description.clone(),
        configuration: class.configuration.iter().map(setting).collect(),
    }
}

/// What the rules and the schema found in an environment class.
pub(crate) fn class_findings(findings: ClassFindings) -> EnvironmentClassValidationResult {
    let ClassFindings { display_name, description, configuration } = findings;
    let blame = |(key, error)| FieldValidationError { key, error };
    EnvironmentClassValidationResult {
        valid: false,
        display_name_error: display_name,
        description_error: description,
        configuration_errors: configuration.into_iter().map(blame).collect(),
    }
}
