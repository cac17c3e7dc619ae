//! Where a sealed secret belongs: the runner, the object, the field, and the destination it may be sent to.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::id::RunnerId;

/// The domain separator of [`Place::ctx`].
const CONTEXT_LABEL: &[u8] = b"sealink/secret/v1\0";

/// Every kind of secret that is sealed, each with its own name in the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
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

impl Field {
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
            Self::HostTokenValue | Self::HostTokenRefresh => 8_192,
            _ => 4_096,
        }
    }
}

/// The place a secret is sealed for. An agent that finds it elsewhere, or finds the destination changed,
/// refuses to open it (RSA format only).
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The runner that may open it.
    pub runner: RunnerId,
    /// The object it belongs to: an integration, a host token, the runner itself.
    pub sub: Uuid,
    /// Which secret of that object.
    pub field: Field,
    /// First element of the destination, see [`Field`]; bytes as stored, "" if absent.
    pub a: &'a str,
    /// Second element.
    pub b: &'a str,
    /// Third element.
    pub c: &'a str,
}

impl Place<'_> {
    /// The header member `ctx`: base64url of SHA-256 over the label and the length-prefixed elements.
    #[must_use]
    pub fn ctx(&self) -> String {
        let runner = self.runner.to_string();
        let sub = self.sub.to_string();
        let mut hash = Sha256::new();
        hash.update(CONTEXT_LABEL);
        for element in [&runner, &sub, self.field.wire_name(), self.a, self.b, self.c] {
            hash.update(length_prefix(element.as_bytes()));
            hash.update(element);
        }
        URL_SAFE_NO_PAD.encode(hash.finalize())
    }
}

/// The length of `bytes` as 4 bytes, big endian: what precedes every element of a hash or a MAC, so that no
/// two lists of elements read alike. All elements are far below the 4 GiB this can express.
pub(crate) fn length_prefix(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}
