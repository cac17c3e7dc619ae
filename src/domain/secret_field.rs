//! Every kind of secret that is sealed to a runner's key.
use crate::domain::secret::{MAX_HOST_TOKEN_BYTES, MAX_SECRET_BYTES};

/// Every kind of secret that is sealed, each with its own name in the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretField {
    /// An SCM integration's OAuth client secret. Destination: host, issuer URL, client id.
    OauthClientSecret,
    /// A user's token for a host. Destination: host, subject id, source.
    HostTokenValue,
    /// The refresh token beside it. Destination: host, subject id, source.
    HostTokenRefresh,
    /// An LLM integration's API key. Destination: endpoint.
    LlmApiKey,
    /// One request header of an LLM integration. Destination: endpoint, header name.
    LlmHeader,
    /// A runner's key for sending telemetry to Honeycomb. No destination.
    RunnerHoneycombApiKey,
    /// A client secret that is only tried out, never stored; `sub` is the call. Destination: host, issuer URL,
    /// client id.
    ValidateClientSecret,
    /// A PKCE verifier; `sub` is the OAuth ticket. Destination: host, issuer URL, client id.
    OauthVerifier,
}

impl SecretField {
    /// All fields.
    pub const ALL: [Self; 8] = [
        Self::OauthClientSecret,
        Self::HostTokenValue,
        Self::HostTokenRefresh,
        Self::LlmApiKey,
        Self::LlmHeader,
        Self::RunnerHoneycombApiKey,
        Self::ValidateClientSecret,
        Self::OauthVerifier,
    ];

    /// The name that goes into the binding and on the wire.
    #[must_use]
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::OauthClientSecret => "oauth.client_secret",
            Self::HostTokenValue => "host_token.value",
            Self::HostTokenRefresh => "host_token.refresh",
            Self::LlmApiKey => "llm.api_key",
            Self::LlmHeader => "llm.header",
            Self::RunnerHoneycombApiKey => "runner.honeycomb_api_key",
            Self::ValidateClientSecret => "validate.client_secret",
            Self::OauthVerifier => "oauth.verifier",
        }
    }

    /// The field with this wire name.
    #[must_use]
    pub fn from_wire_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.wire_name() == name)
    }

    /// The longest plaintext, in bytes.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::HostTokenValue | Self::HostTokenRefresh => MAX_HOST_TOKEN_BYTES,
            _ => MAX_SECRET_BYTES,
        }
    }
}
