//! LLM integrations: the API key and the headers' values, opened.
use std::sync::Arc;

use super::opener::{Opener, Outcome};
use crate::{
    domain::id::LlmIntegrationId,
    error::Result,
    pb::{gitpod::v1::LlmIntegration, sealink::v1::ConfiguredLlmIntegration},
    seal::{Field, Place},
};

/// What became of an LLM integration's secrets.
#[derive(Clone, Debug)]
pub struct OpenedLlm {
    /// Its API key.
    pub api_key: Arc<Outcome>,
    /// The value of each of its headers, in their order.
    pub headers: Vec<Arc<Outcome>>,
}

impl OpenedLlm {
    /// Opens them.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub fn open(opener: &mut Opener, from: &ConfiguredLlmIntegration) -> Result<Self> {
        let found = plain(from);
        let Ok(id) = LlmIntegrationId::parse("id", &found.id) else {
            let rejected = Arc::new(Outcome::Rejected("its integration has no valid id".to_owned()));
            let headers = found.request_headers.iter().map(|_| Arc::clone(&rejected)).collect();
            return Ok(Self { api_key: rejected, headers });
        };
        let (runner, sub) = (opener.runner(), id.0);
        let mut open = |field, name: &str, sealed: &[u8], kid: &str| {
            let place = Place { runner, sub, field, a: &found.endpoint, b: name, c: "" };
            opener.open(sealed, kid, &place)
        };
        let api_key = open(Field::LlmApiKey, "", &found.encrypted_api_key, &from.kid)?;
        let headers = found.request_headers.iter().enumerate();
        let headers = headers
            .map(|(at, header)| open(Field::LlmHeader, &header.key, &header.value, header_kid(from, at)))
            .collect::<Result<_>>()?;
        Ok(Self { api_key, headers })
    }

    /// All of them.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        std::iter::once(&*self.api_key).chain(self.headers.iter().map(|header| &**header))
    }
}

/// The integration itself; an empty one if the server left it out.
#[must_use]
pub fn plain(from: &ConfiguredLlmIntegration) -> &LlmIntegration {
    static NONE: std::sync::LazyLock<LlmIntegration> = std::sync::LazyLock::new(LlmIntegration::default);
    from.integration.as_ref().unwrap_or(&NONE)
}

/// The key that a header's value is sealed with; an older server says only that of the API key.
#[must_use]
pub fn header_kid(from: &ConfiguredLlmIntegration, at: usize) -> &str {
    from.header_kids.get(at).unwrap_or(&from.kid)
}
