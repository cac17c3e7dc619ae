//! LLM integrations.
use crate::{
    domain::{
        id::RunnerId,
        llm_header::{Header, HeaderDraft, HeaderKind, check_headers},
        llm_integration::{Draft, LlmIntegration, LlmPatch, Model, Phase, Provider},
        secret::Plaintext,
    },
    error::{Error, Result},
    pb::gitpod::v1 as pb,
};

impl TryFrom<pb::CreateLlmIntegrationRequest> for Draft {
    type Error = Error;

    fn try_from(request: pb::CreateLlmIntegrationRequest) -> Result<Self> {
        let pb::CreateLlmIntegrationRequest { runner_id, models, endpoint, api_key, max_tokens } = request;
        Ok(Self {
            runner: RunnerId::parse("runner_id", &runner_id)?,
            models: models.into_iter().map(model).collect(),
            endpoint,
            api_key: Plaintext::new(api_key),
            max_tokens,
        })
    }
}

impl TryFrom<pb::UpdateLlmIntegrationRequest> for LlmPatch {
    type Error = Error;

    fn try_from(request: pb::UpdateLlmIntegrationRequest) -> Result<Self> {
        let pb::UpdateLlmIntegrationRequest {
            id: _,
            endpoint,
            models,
            api_key,
            max_tokens,
            phase,
            request_headers,
        } = request;
        let api_key = api_key.map(Plaintext::new);
        Ok(Self {
            endpoint,
            models: models.into_iter().map(model).collect(),
            api_key: api_key.map(|key| key.parse("api_key")).transpose()?,
            max_tokens,
            disabled: phase.map(disabled).transpose()?,
            headers: check_headers(request_headers.into_iter().map(header_draft).collect())?,
        })
    }
}

/// A model by its number; `None` for UNSPECIFIED and for what this build does not know.
fn model(number: i32) -> Option<Model> {
    let known = pb::SupportedModel::try_from(number).ok()?;
    if known == pb::SupportedModel::Unspecified {
        return None;
    }
    Some(Model { number, provider: provider_of(known) })
}

fn provider_of(model: pb::SupportedModel) -> Provider {
    let openai = model.as_str_name().starts_with("SUPPORTED_MODEL_OPENAI");
    if openai { Provider::OpenAi } else { Provider::Anthropic }
}

/// Whether a requested phase switches off.
fn disabled(phase: i32) -> Result<bool> {
    match pb::LlmIntegrationPhase::try_from(phase) {
        Ok(pb::LlmIntegrationPhase::Available) => Ok(false),
        Ok(pb::LlmIntegrationPhase::Disabled) => Ok(true),
        _ => Err(Error::invalid("phase", "sealink.phase", "value must be AVAILABLE or DISABLED")),
    }
}

fn header_draft(header: pb::LlmIntegrationRequestHeader) -> HeaderDraft {
    let kind = match header.header_type() {
        pb::LlmIntegrationRequestHeaderType::CelExpression => HeaderKind::Cel,
        _ => HeaderKind::Literal,
    };
    let value = String::from_utf8(header.value).map_err(|error| zeroize::Zeroizing::new(error.into_bytes()));
    HeaderDraft { name: header.key, kind, value: value.ok().map(Plaintext::new) }
}

/// An LLM integration as those see it who administer its runner, or are it.
pub(crate) fn llm_integration(integration: LlmIntegration) -> pb::LlmIntegration {
    let phase = integration.phase();
    let first = integration.models.first().and_then(|number| pb::SupportedModel::try_from(*number).ok());
    let provider = match first.map(provider_of) {
        Some(Provider::Anthropic) => pb::LlmProvider::Anthropic,
        Some(Provider::OpenAi) => pb::LlmProvider::Openai,
        None => pb::LlmProvider::Unspecified,
    };
    pb::LlmIntegration {
        id: integration.id.to_string(),
        runner_id: integration.runner.to_string(),
        models: integration.models,
        endpoint: integration.endpoint,
        encrypted_api_key: integration.api_key.map(|key| key.bytes).unwrap_or_default(),
        max_tokens: integration.max_tokens,
        phase: match phase {
            Phase::Available => pb::LlmIntegrationPhase::Available,
            Phase::Unavailable => pb::LlmIntegrationPhase::Unavailable,
            Phase::Disabled => pb::LlmIntegrationPhase::Disabled,
        }
        .into(),
        phase_reason: phase.reason().to_owned(),
        request_headers: integration.headers.into_iter().map(header).collect(),
        provider: provider.into(),
    }
}

fn header(header: Header) -> pb::LlmIntegrationRequestHeader {
    let kind = match header.kind {
        HeaderKind::Literal => pb::LlmIntegrationRequestHeaderType::Literal,
        HeaderKind::Cel => pb::LlmIntegrationRequestHeaderType::CelExpression,
    };
    let value = header.value.map(|value| value.bytes).unwrap_or_default();
    pb::LlmIntegrationRequestHeader { key: header.name, value, header_type: kind.into() }
}
