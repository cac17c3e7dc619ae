//! The objects of a configuration as JSON, for programs on the agent's machine.
use serde_json::{Value, json};

use crate::{
    agent::opener::Outcome,
    error::{Error, Result},
    pb::sealink::v1::{ConfigurationObject, ConfiguredIntegration},
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
