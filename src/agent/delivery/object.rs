//! The objects of a configuration as JSON, for programs on the agent's machine.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    agent::{
        llm::{self, OpenedLlm},
        opener::Outcome,
    },
    error::{Error, Result},
    pb::{
        gitpod::v1::{
            LlmIntegration, LlmIntegrationRequestHeader, LlmIntegrationRequestHeaderType, SupportedModel,
        },
        sealink::v1::{ConfigurationObject, ConfiguredIntegration, ConfiguredLlmIntegration},
    },
};

/// An SCM integration: its settings, `secretState`, and with `reveal` the opened `clientSecret`. Members without
/// a value are left out.
#[must_use]
pub fn integration(from: &ConfiguredIntegration, secret: Option<&Outcome>, reveal: bool) -> Value {
    let mut value = json!({
        "id": from.id,
        "scmId": from.scm_id,
        "host": from.host,
        "pat": from.pat,
        "version": from.version,
    });
    let optional = [
        ("clientId", &from.client_id),
        ("issuerUrl", &from.issuer_url),
        ("virtualDirectory", &from.virtual_directory),
    ];
    for (name, text) in optional.into_iter().filter(|(_, text)| !text.is_empty()) {
        value[name] = json!(text);
    }
    if let Some(outcome) = secret {
        value["secretState"] = json!(outcome.name());
        add_outcome(&mut value, outcome, "clientSecret", reveal);
    }
    value
}

/// An LLM integration: its settings, `secretState`, and with `reveal` the opened `apiKey` and the `value` of each of
/// its `headers`, each with its own `secretState`. Members without a value are left out.
#[must_use]
pub fn llm_integration(from: &ConfiguredLlmIntegration, opened: &OpenedLlm, reveal: bool) -> Value {
    let found = llm::plain(from);
    let models = found.models.iter().map(|number| {
        let model = SupportedModel::try_from(*number).map(|model| model.as_str_name());
        model.map_or_else(|_| json!(number), |name| json!(name.trim_start_matches("SUPPORTED_MODEL_")))
    });
    let mut value = json!({
        "llmIntegrationId": found.id,
        "models": models.collect::<Vec<_>>(),
        "maxTokens": found.max_tokens,
        "phase": found.phase().as_str_name().trim_start_matches("LLM_INTEGRATION_PHASE_"),
        "provider": found.provider().as_str_name().trim_start_matches("LLM_PROVIDER_"),
        "version": from.version,
        "secretState": opened.api_key.name(),
        "headers": headers(found, opened, reveal),
    });
    if !found.endpoint.is_empty() {
        value["endpoint"] = json!(found.endpoint);
    }
    add_outcome(&mut value, &opened.api_key, "apiKey", reveal);
    value
}

/// The headers of an LLM integration, as in [`llm_integration`].
#[must_use]
pub fn headers(found: &LlmIntegration, opened: &OpenedLlm, reveal: bool) -> Vec<Value> {
    let headers = found.request_headers.iter().zip(&opened.headers);
    let header = |(header, outcome): (&LlmIntegrationRequestHeader, &Arc<Outcome>)| {
        let kind = match header.header_type() {
            LlmIntegrationRequestHeaderType::CelExpression => "CEL_EXPRESSION",
            _ => "LITERAL",
        };
        let mut value = json!({ "name": header.key, "type": kind, "secretState": outcome.name() });
        add_outcome(&mut value, outcome, "value", reveal);
        value
    };
    headers.map(header).collect()
}

/// Adds an opened secret under `name` if it may be shown, or else the `reason` why there is none.
pub fn add_outcome(value: &mut Value, outcome: &Outcome, name: &str, reveal: bool) {
    match outcome {
        Outcome::Ok(secret) if reveal => value[name] = json!(secret.expose()),
        Outcome::Ok(_) => {}
        other => value["reason"] = json!(other.reason()),
    }
}

/// An object of another kind: canonical proto3 JSON, secrets in it as sealed.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) if it has no JSON.
pub fn other(object: &ConfigurationObject) -> Result<Value> {
    serde_json::to_value(object).map_err(|_| Error::internal("an object without JSON"))
}
