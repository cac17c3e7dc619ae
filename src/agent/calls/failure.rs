//! Why a call has no result, as the caller reads it.
use std::{borrow::Cow, fmt};

use crate::{
    agent::forge::{ForgeError, oauth::OAuthError},
    error::Error,
    pb::sealink::v1::{
        AuthenticationRequired, CallError, CallErrorCode as Code, CallErrorDetails, ConfiguredIntegration,
        call_error_details::Details,
    },
};

/// An error for the one who called.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    code: Code,
    message: Cow<'static, str>,
    required: Option<AuthenticationRequired>,
}

impl Failure {
    pub(super) const NO_INTEGRATION: Self =
        Self::fixed(Code::FailedPrecondition, "the runner has no integration for this host");
    pub(super) const ANOTHER_INTEGRATION: Self = Self::fixed(
        Code::FailedPrecondition,
        "the runner knows this integration with other settings; try again",
    );
    pub(super) const UNKNOWN_SCM: Self =
        Self::fixed(Code::FailedPrecondition, "the runner does not know this kind of forge");
    pub(super) const NO_OAUTH: Self =
        Self::fixed(Code::FailedPrecondition, "OAuth is off for this integration");
    pub(super) const NO_KEY: Self =
        Self::fixed(Code::FailedPrecondition, "the runner has no ACTIVE key to seal a credential with");
    pub(super) const UNUSABLE: Self = Self::fixed(
        Code::FailedPrecondition,
        "the runner cannot open the stored credential; delete it and authenticate again",
    );
    pub(super) const SECRET_UNUSABLE: Self = Self::fixed(
        Code::FailedPrecondition,
        "the runner cannot open the integration's client secret; an administrator must enter it again",
    );

    const fn fixed(code: Code, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), required: None }
    }

    /// The URL or another value that was sent is wrong.
    pub(super) const fn invalid(message: &'static str) -> Self {
        Self::fixed(Code::InvalidArgument, message)
    }

    /// The forge does not have it.
    pub(super) const fn not_found(message: &'static str) -> Self {
        Self::fixed(Code::NotFound, message)
    }

    /// Kinds of forges that are known by their URLs only.
    pub(super) fn unsupported(call: &'static str, scm_id: &str) -> Self {
        let message = format!("{call} is unsupported for scm_id {scm_id}").into();
        Self { code: Code::FailedPrecondition, message, required: None }
    }

    /// A call that this agent does not know.
    #[must_use]
    pub fn unimplemented() -> Self {
        Self::fixed(Code::Unimplemented, "this agent is too old to answer this call")
    }

    /// The time was up.
    #[must_use]
    pub fn late() -> Self {
        Self::fixed(Code::DeadlineExceeded, "the forge took too long to answer; try again")
    }

    /// A credential is missing, expired or refused.
    pub(super) fn unauthenticated(integration: &ConfiguredIntegration) -> Self {
        Self {
            code: Code::Unauthenticated,
            message: format!("missing authentication token for {}", integration.host).into(),
            required: Some(AuthenticationRequired {
                host: integration.host.clone(),
                scm_id: integration.scm_id.clone(),
                integration_id: integration.id.clone(),
            }),
        }
    }

    /// What the agent's operator must look at; the caller learns no more.
    #[expect(clippy::needless_pass_by_value, reason = "it ends here: callers hand it over with map_err")]
    pub(super) fn internal(error: Error) -> Self {
        tracing::warn!(%error, "a call cannot be answered");
        Self::fixed(Code::Internal, "the runner's agent failed; its log says why")
    }

    /// The same, with the integration to authenticate at if that is what is missing.
    pub(super) fn at(self, integration: &ConfiguredIntegration) -> Self {
        if self.code == Code::Unauthenticated { Self::unauthenticated(integration) } else { self }
    }

    /// Whether a credential is what is missing.
    pub(super) fn is_unauthenticated(&self) -> bool {
        self.code == Code::Unauthenticated
    }

    /// The outcome in a metric.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.code.as_str_name().trim_start_matches("CALL_ERROR_CODE_")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ForgeError> for Failure {
    fn from(error: ForgeError) -> Self {
        let code = match error {
            ForgeError::Unauthenticated => Code::Unauthenticated,
            ForgeError::Forbidden => Code::PermissionDenied,
            ForgeError::NotFound => Code::NotFound,
            ForgeError::RateLimited(_) => Code::ResourceExhausted,
            ForgeError::TimedOut => Code::DeadlineExceeded,
            ForgeError::NoConnection
            | ForgeError::Unreachable(_)
            | ForgeError::ServerError(_)
            | ForgeError::Protocol(_)
            | ForgeError::Busy
            | ForgeError::Resting(_) => Code::Unavailable,
            ForgeError::Disallowed(_) => Code::FailedPrecondition,
        };
        Self { code, message: error.to_string().into(), required: None }
    }
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        let code = match error {
            OAuthError::Forge(error) => return error.into(),
            OAuthError::BadClient => Code::FailedPrecondition,
            OAuthError::BadGrant => Code::Unauthenticated,
            OAuthError::Denied => Code::PermissionDenied,
            OAuthError::Temporary => Code::Unavailable,
        };
        Self { code, message: error.to_string().into(), required: None }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        let details = failure.required.map(Details::AuthenticationRequired);
        Self {
            code: failure.code.into(),
            message: failure.message.into_owned(),
            details: details.map(|details| CallErrorDetails { details: Some(details) }),
        }
    }
}
