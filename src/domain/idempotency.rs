//! `Idempotency-Key`: a create that is sent twice happens once.
//!
//! The first create writes down, in its own transaction, what its key has made. Whoever sends the key again, with the
//! same request, is told of that. So there is nothing to clean up after a crash: a key without a row made nothing.
use std::time::Duration;

use uuid::Uuid;

use crate::{
    clock::Instant,
    error::{Error, Result},
};

/// The header, and the name of its field in errors.
pub const HEADER: &str = "Idempotency-Key";
/// How long a key is kept.
pub const LIFE: Duration = Duration::from_hours(24);
/// The longest key, in bytes.
const MAX_BYTES: usize = 255;
/// Why methods that answer a token refuse keys.
const ONLY_A_TOKEN: &str = "this method's only answer is a token, which is stored nowhere and so cannot be answered \
    again: repeat the call without the header, and revoke what is left over";

/// What a method does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It makes something, once per key.
    Once,
    /// It cannot be repeated, for this reason.
    Refused(&'static str),
}

/// Every method that makes something, of the REST API the paths of such a `POST`. A new one needs its line here, and
/// in its use case the line that answers a repeat: `if let Some(id) = caller.repeats()? { .. }`.
pub const METHODS: &[(&str, Policy)] = &[
    ("/gitpod.v1.GroupService/CreateGroup", Policy::Once),
    ("/gitpod.v1.GroupService/CreateMembership", Policy::Once),
    ("/gitpod.v1.IdentityService/ExchangeToken", Policy::Refused(ONLY_A_TOKEN)),
    ("/gitpod.v1.RunnerConfigurationService/CreateEnvironmentClass", Policy::Once),
    ("/gitpod.v1.RunnerConfigurationService/CreateHostAuthenticationToken", Policy::Once),
    ("/gitpod.v1.RunnerConfigurationService/CreateLLMIntegration", Policy::Once),
    ("/gitpod.v1.RunnerConfigurationService/CreateSCMIntegration", Policy::Once),
    ("/gitpod.v1.RunnerService/CreateRunner", Policy::Once),
    ("/gitpod.v1.RunnerService/CreateRunnerLogsToken", Policy::Refused(ONLY_A_TOKEN)),
    ("/gitpod.v1.RunnerService/CreateRunnerPolicy", Policy::Once),
    ("/gitpod.v1.RunnerService/CreateRunnerToken", Policy::Refused(ONLY_A_TOKEN)),
    ("/sealink.v1.ServiceAccountService/CreateServiceAccount", Policy::Once),
    ("/sealink.v1.TokenService/CreateToken", Policy::Refused(ONLY_A_TOKEN)),
    ("/sealink.v1.UserService/CreateUser", Policy::Once),
    ("/v1/keys", Policy::Once),
    ("/v1/scm_integrations", Policy::Once),
];

/// What a method does with a key, and its name for as long as the program runs; `None` if it makes nothing, and keys
/// mean nothing to it.
#[must_use]
pub fn policy(method: &str) -> Option<(&'static str, Policy)> {
    METHODS.iter().copied().find(|(name, _)| *name == method)
}

/// A client's name for one attempt to make something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the header: 1 to 255 printable ASCII characters.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for anything else.
    pub fn parse(value: &[u8]) -> Result<Self> {
        let printable =
            (1..=MAX_BYTES).contains(&value.len()) && value.iter().all(|byte| (b' '..=b'~').contains(byte));
        let text = String::from_utf8(value.to_vec()).ok().filter(|_| printable);
        text.map(Self).ok_or_else(|| invalid("value must be 1 to 255 printable ASCII characters"))
    }

    /// The key as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is written down when a key makes something. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The method.
    pub method: &'static str,
    /// The key.
    pub key: IdempotencyKey,
    /// The seed of the keyring that the MAC's key comes from.
    pub key_id: u32,
    /// Over the whole request.
    pub request_mac: Vec<u8>,
    /// How long the key is kept.
    pub expires_at: Instant,
}

/// How a request with a key is to be handled. A caller without a key has none of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// Only checked: nothing may be made.
    Probe,
    /// Nobody has used the key: what is made is written down with it.
    First(Claim),
    /// The key has made this, as the audit log names it: nothing may be made.
    Again(String),
}

impl Once {
    /// The id of what was made, for a repeated request.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if what was made has no UUID.
    pub fn repeats(&self) -> Result<Option<Uuid>> {
        match self {
            Self::Probe | Self::First(_) => Ok(None),
            Self::Again(object) => Uuid::try_parse(object).map(Some).map_err(Error::internal),
        }
    }
}

/// The header is not what it must be.
#[must_use]
pub fn invalid(message: &'static str) -> Error {
    Error::invalid(HEADER, "sealink.idempotency_key", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_printable_ascii() {
        for key in ["a", " ", "~", "8e03978e-40d5-43dd-bc93-6894a57f9324", &"x".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(key.as_bytes()).unwrap().as_str(), key);
        }
        for key in ["", "\t", "a\u{7f}", "\u{e9}", "a\n", &"x".repeat(256)] {
            let error = IdempotencyKey::parse(key.as_bytes()).unwrap_err();
            assert_eq!(error.violations()[0].field, HEADER, "{key:?}");
        }
        assert!(IdempotencyKey::parse(&[0xff]).is_err());
    }

    #[test]
    fn methods_are_sorted_and_unique() {
        assert!(METHODS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
