//! LLM integrations: access to language models that a runner may use.
use crate::{
    clock::Instant,
    domain::{
        id::{LlmIntegrationId, RunnerId},
        issuer::https_url,
        llm_header::{Header, NewHeader},
        secret::{Plaintext, Sealed, Secret},
    },
    error::{Error, Kind, Result},
};

/// Who serves the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Anthropic.
    Anthropic,
    /// `OpenAI`.
    OpenAi,
}

/// A language model, by its number in the public API, and who serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The number.
    pub number: i32,
    /// Its provider.
    pub provider: Provider,
}

/// Whether an LLM integration can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It can.
    Available,
    /// Its API key was wiped; to be entered again.
    Unavailable,
    /// An administrator has switched it off.
    Disabled,
}

impl Phase {
    /// Why it is what it is; empty if nothing is wrong.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unavailable => {
                "the key that the API key was sealed with is revoked: enter the API key again"
            }
            Self::Available | Self::Disabled => "",
        }
    }
}

/// An LLM integration as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmIntegration {
    /// Its id, which its secrets are bound to.
    pub id: LlmIntegrationId,
    /// The runner that may use it.
    pub runner: RunnerId,
    /// The models' numbers, in the order they were given.
    pub models: Vec<i32>,
    /// Where they are served; empty for the provider's own address.
    pub endpoint: String,
    /// 0: the model's own limit.
    pub max_tokens: u64,
    /// Whether an administrator has switched it off.
    pub disabled: bool,
    /// The sealed API key; `None` after its key was revoked, until it is entered again.
    pub api_key: Option<Sealed>,
    /// Headers that go along with every request.
    pub headers: Vec<Header>,
    /// Grows by one with every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

impl LlmIntegration {
    /// Whether it can be used.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match (&self.api_key, self.disabled) {
            (_, true) => Phase::Disabled,
            (None, false) => Phase::Unavailable,
            (Some(_), false) => Phase::Available,
        }
    }
}

/// A create request whose parts are checked once the runner is known to be the caller's.
#[derive(Debug)]
pub struct Draft {
    /// The runner that is to use it.
    pub runner: RunnerId,
    /// As sent; at least one.
    pub models: Vec<Option<Model>>,
    /// As sent.
    pub endpoint: String,
    /// As sent.
    pub api_key: Plaintext,
    /// As sent.
    pub max_tokens: u64,
}

/// A create request that keeps every rule.
#[derive(Debug)]
pub struct NewLlmIntegration {
    /// The models' numbers.
    pub models: Vec<i32>,
    /// Where they are served.
    pub endpoint: String,
    /// The key to seal.
    pub api_key: Secret,
    /// As [`LlmIntegration::max_tokens`].
    pub max_tokens: u64,
}

impl Draft {
    /// Checks everything.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the first field that breaks a rule.
    pub fn accept(self) -> Result<NewLlmIntegration> {
        Ok(NewLlmIntegration {
            models: check_models(&self.models)?,
            endpoint: check_endpoint(self.endpoint)?,
            api_key: self.api_key.parse("api_key")?,
            max_tokens: check_max_tokens(self.max_tokens)?,
        })
    }
}

/// The members of an update request; `None` is absent.
#[derive(Debug, Default)]
pub struct LlmPatch {
    /// `""`: the provider's own address.
    pub endpoint: Option<String>,
    /// Empty leaves them as they are.
    pub models: Vec<Option<Model>>,
    /// The new key.
    pub api_key: Option<Secret>,
    /// 0: the model's own limit.
    pub max_tokens: Option<u64>,
    /// Whether it is to be switched off.
    pub disabled: Option<bool>,
    /// All headers there are to be; empty leaves them as they are.
    pub headers: Vec<NewHeader>,
}

impl LlmPatch {
    /// What `current` becomes, its secrets apart; the names of what changes.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a value that breaks a rule; [`Kind::Precondition`] if the endpoint would change
    /// under a kept key or header: the ciphertexts are bound to it.
    pub fn plan(&self, current: &LlmIntegration) -> Result<(LlmIntegration, Vec<&'static str>)> {
        let mut next = current.clone();
        let mut changed = Vec::new();
        if !self.models.is_empty() {
            next.models = check_models(&self.models)?;
        }
        if let Some(endpoint) = &self.endpoint {
            next.endpoint = check_endpoint(endpoint.clone())?;
        }
        next.max_tokens = self.max_tokens.map(check_max_tokens).transpose()?.unwrap_or(current.max_tokens);
        next.disabled = self.disabled.unwrap_or(current.disabled);
        if next.endpoint != current.endpoint {
            if self.api_key.is_none() {
                return Err(resupply("api_key"));
            }
            if self.headers.is_empty() && !current.headers.is_empty() {
                return Err(resupply("request_headers"));
            }
            changed.push("endpoint");
        }
        for (name, differs) in [
            ("models", next.models != current.models),
            ("max_tokens", next.max_tokens != current.max_tokens),
            ("phase", next.disabled != current.disabled),
            ("api_key", self.api_key.is_some()),
            ("request_headers", !self.headers.is_empty()),
        ] {
            if differs {
                changed.push(name);
            }
        }
        Ok((next, changed))
    }
}

fn resupply(field: &'static str) -> Error {
    Error::new(Kind::Precondition, format!("{field} must be set when endpoint changes"))
        .blaming(field, "sealink.resupply")
}

/// All of one provider, each once.
fn check_models(models: &[Option<Model>]) -> Result<Vec<i32>> {
    let refuse =
        |index: usize, message| Err(Error::invalid(format!("models[{index}]"), "sealink.models", message));
    let (mut numbers, mut provider) = (Vec::new(), None);
    for (index, model) in models.iter().enumerate() {
        let Some(model) = model else { return refuse(index, "value must be a model") };
        if numbers.contains(&model.number) {
            return refuse(index, "value must not be there twice");
        }
        if *provider.get_or_insert(model.provider) != model.provider {
            return refuse(index, "value must be of the same provider as the others");
        }
        numbers.push(model.number);
    }
    Ok(numbers)
}

fn check_endpoint(endpoint: String) -> Result<String> {
    if endpoint.is_empty() { Ok(endpoint) } else { https_url("endpoint", "sealink.endpoint", endpoint) }
}

fn check_max_tokens(tokens: u64) -> Result<u64> {
    if i64::try_from(tokens).is_ok() {
        return Ok(tokens);
    }
    Err(Error::invalid("max_tokens", "sealink.max_tokens", "value must be at most 9223372036854775807"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(number: i32, provider: Provider) -> Model {
        Model { number, provider }
    }

    #[test]
    fn models_are_of_one_provider_and_different() {
        use Provider::{Anthropic, OpenAi};
        let good = [model(4, Anthropic), model(8, Anthropic)].map(Some);
        assert_eq!(check_models(&good).unwrap(), [4, 8]);
        for bad in [
            [Some(model(4, Anthropic)), Some(model(10, OpenAi))],
            [Some(model(4, Anthropic)), Some(model(4, Anthropic))],
            [Some(model(4, Anthropic)), None],
        ] {
            assert_eq!(check_models(&bad).unwrap_err().violations()[0].field, "models[1]", "{bad:?}");
        }
    }
}
