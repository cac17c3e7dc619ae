//! Every sealed secret of a configuration, and what became of it.
use std::sync::Arc;

use super::{
    configuration::Configuration,
    llm::{OpenedLlm, header_kid, plain},
    opener::{Opener, Outcome},
};
use crate::{
    error::Result,
    pb::sealink::v1::{ConfiguredIntegration, ConfiguredLlmIntegration, SecretReport, SecretState},
    seal::Field,
};

/// One secret.
#[derive(Debug)]
pub struct Found {
    /// What it belongs to.
    pub object_id: String,
    /// Which secret of it.
    pub field: Field,
    /// The name of a header, else empty.
    pub name: String,
    /// The key it is sealed with.
    pub kid: String,
    /// The version of what it belongs to; 0 if that is not known.
    pub version: u64,
    /// What people know it by.
    pub title: String,
    /// What became of it.
    pub outcome: Arc<Outcome>,
}

impl Found {
    /// What the server is to be told of it: only what cannot be used.
    #[must_use]
    pub fn report(&self) -> Option<SecretReport> {
        Some(SecretReport {
            object_id: self.object_id.clone(),
            field: self.field.wire_name().to_owned(),
            name: self.name.clone(),
            kid: self.kid.clone(),
            version: self.version,
            state: state(&self.outcome)?.into(),
        })
    }
}

/// The state of a secret that cannot be used; what is missing, the server knows itself.
#[must_use]
pub fn state(outcome: &Outcome) -> Option<SecretState> {
    match outcome {
        Outcome::Ok(_) | Outcome::Missing => None,
        Outcome::Rejected(_) => Some(SecretState::Rejected),
        Outcome::Undecryptable(_) => Some(SecretState::Undecryptable),
    }
}

/// Opens every secret of a configuration.
///
/// # Errors
/// As [`Opener::open`].
pub fn of(known: &Configuration, opener: &mut Opener) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for one in known.integrations() {
        all.extend(opener.client_secret(one)?.map(|outcome| of_integration(one, outcome)));
    }
    for one in known.llm_integrations() {
        all.extend(of_llm(one, &OpenedLlm::open(opener, one)?));
    }
    if let Some(spec) = known.spec() {
        let outcome = opener.honeycomb(spec.spec.as_ref(), &spec.honeycomb_kid)?;
        all.extend(
            outcome.map(|outcome| of_honeycomb(opener.runner().to_string(), &spec.honeycomb_kid, outcome)),
        );
    }
    Ok(all)
}

/// An integration's client secret.
#[must_use]
pub fn of_integration(one: &ConfiguredIntegration, outcome: Arc<Outcome>) -> Found {
    Found {
        object_id: one.id.clone(),
        field: Field::OauthClientSecret,
        name: String::new(),
        kid: one.kid.clone(),
        version: one.version,
        title: one.host.clone(),
        outcome,
    }
}

/// The API key of an LLM integration and the values of its headers.
#[must_use]
pub fn of_llm(one: &ConfiguredLlmIntegration, opened: &OpenedLlm) -> Vec<Found> {
    let found = plain(one);
    let of = if found.endpoint.is_empty() { "the provider's own endpoint" } else { &found.endpoint };
    let secret = |field, name: &str, kid: &str, title, outcome: &Arc<Outcome>| Found {
        object_id: found.id.clone(),
        field,
        name: name.to_owned(),
        kid: kid.to_owned(),
        version: one.version,
        title,
        outcome: Arc::clone(outcome),
    };
    let api_key = secret(Field::LlmApiKey, "", &one.kid, format!("the API key for {of}"), &opened.api_key);
    let headers = found.request_headers.iter().zip(&opened.headers).enumerate();
    let headers = headers.map(|(at, (header, outcome))| {
        let title = format!("the header {} for {of}", header.key);
        secret(Field::LlmHeader, &header.key, header_kid(one, at), title, outcome)
    });
    std::iter::once(api_key).chain(headers).collect()
}

/// The runner's Honeycomb key.
#[must_use]
pub fn of_honeycomb(runner_id: String, kid: &str, outcome: Arc<Outcome>) -> Found {
    Found {
        object_id: runner_id,
        field: Field::RunnerHoneycombApiKey,
        name: String::new(),
        kid: kid.to_owned(),
        version: 0,
        title: "the runner's Honeycomb key".to_owned(),
        outcome,
    }
}
