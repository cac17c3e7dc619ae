//! The one error type, and the tables from its kinds to gRPC codes, which the RPC protocols start from, and to the
//! REST API's statuses.
use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;
use tonic::Code;

/// What every fallible function of the crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, coarse enough that a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request breaks a rule; [`Error::violations`] names the fields.
    Invalid,
    /// No valid token.
    Unauthenticated,
    /// A valid token that may not do this.
    Forbidden,
    /// There is no such thing, or it belongs to another organization: the two look alike.
    NotFound,
    /// Something with the same identity is there already.
    AlreadyExists,
    /// Somebody else changed it meanwhile; reading again and retrying may help.
    Conflict,
    /// The request is fine, the state it needs is not there.
    Precondition,
    /// A limit is reached; `retry_after` says whether waiting helps.
    Exhausted,
    /// Cannot be served now, but may be later.
    Unavailable,
    /// The caller's or the server's time was up.
    Deadline,
    /// Known, but not served.
    Unimplemented,
    /// Stored data is damaged or was tampered with.
    DataLoss,
    /// Unexpected: the caller gets this word, the operator the chain.
    Internal,
}

impl Kind {
    /// The gRPC code. Connect derives its HTTP status from it.
    #[must_use]
    pub const fn grpc(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::Conflict => Code::Aborted,
            Self::Precondition => Code::FailedPrecondition,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Deadline => Code::DeadlineExceeded,
            Self::Unimplemented => Code::Unimplemented,
            Self::DataLoss => Code::DataLoss,
            Self::Internal => Code::Internal,
        }
    }

    /// The REST API's HTTP status.
    #[must_use]
    pub const fn http(self) -> StatusCode {
        match self {
            Self::Invalid | Self::AlreadyExists | Self::Precondition => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Exhausted => StatusCode::TOO_MANY_REQUESTS,
            // 504 is no status that a client of this API knows.
            Self::Unavailable | Self::Deadline => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::DataLoss | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What a status of the REST API says: the first of the kinds that have it. Other refusals of a request, such as
    /// one that cannot be read, are [`Invalid`](Self::Invalid).
    #[must_use]
    pub fn of_http(status: StatusCode) -> Self {
        let known = [
            Self::Invalid,
            Self::Unauthenticated,
            Self::Forbidden,
            Self::NotFound,
            Self::Conflict,
            Self::Exhausted,
            Self::Unavailable,
            Self::Unimplemented,
        ];
        let other = if status.is_client_error() { Self::Invalid } else { Self::Internal };
        known.into_iter().find(|kind| kind.http() == status).unwrap_or(other)
    }
}

/// One broken rule of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path in proto names: `runner_id`, `filter.runner_ids[2]`, `pagination.page_size`.
    pub field: String,
    /// The rule's id: `string.uuid` for a generated check, `sealink.host` for a policy.
    pub rule: Cow<'static, str>,
    /// What a valid value looks like; never the value itself.
    pub message: Cow<'static, str>,
}

/// An error on its way to a caller. Its message is meant for that caller and never holds a value the
/// caller sent; the source is meant for the operator.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: Cow<'static, str>,
    resource: Option<&'static str>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a sentence for the caller.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            resource: None,
            violations: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// A broken rule on one field; `message` says what a valid value looks like.
    #[must_use]
    pub fn invalid(
        field: impl Into<String>,
        rule: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let violation = Violation { field: field.into(), rule: rule.into(), message: message.into() };
        Self::violations_of(vec![violation])
    }

    /// Several broken rules; the message names the first. `violations` must not be empty.
    #[must_use]
    pub fn violations_of(violations: Vec<Violation>) -> Self {
        let text = violations.iter().map(|v| format!("{}: {} [{}]", v.field, v.message, v.rule));
        let message = format!("validation error: {}", text.collect::<Vec<_>>().join("; "));
        Self { violations, ..Self::new(Kind::Invalid, message) }
    }

    /// No valid token was sent.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Kind::Unauthenticated, "missing or invalid bearer token")
    }

    /// `what` does not exist, or not for this caller: `Error::not_found("runner")`.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self { resource: Some(what), ..Self::new(Kind::NotFound, format!("{what} not found")) }
    }

    /// Something that should not happen; the caller reads "internal".
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(cause(source.into())), ..Self::new(Kind::Internal, "internal") }
    }

    /// Names the field to blame on an error that is not [`Kind::Invalid`]; the message stays.
    #[must_use]
    pub fn blaming(mut self, field: &'static str, rule: &'static str) -> Self {
        let violation = Violation { field: field.into(), rule: rule.into(), message: self.message.clone() };
        self.violations.push(violation);
        self
    }

    /// Names the fields that somebody else has blamed; the message stays.
    #[must_use]
    pub fn with_violations(self, violations: Vec<Violation>) -> Self {
        Self { violations, ..self }
    }

    /// Keeps the cause for the operator's log; of JSON that cannot be read only where, because serde quotes values.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause(source.into()));
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The same error, with the same cause, for one more caller that it hits.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            resource: self.resource,
            violations: self.violations.clone(),
            retry_after: self.retry_after,
            source: self.source.clone(),
        }
    }

    /// What went wrong, coarsely.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence for the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What does not exist, as [`not_found`](Self::not_found) was told.
    #[must_use]
    pub fn resource(&self) -> Option<&'static str> {
        self.resource
    }

    /// The broken rules, for [`Kind::Invalid`]; also set on other kinds where one field is to blame.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How long to wait before trying again, if waiting helps.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

fn cause(source: Box<dyn StdError + Send + Sync>) -> Arc<dyn StdError + Send + Sync> {
    match source.downcast::<serde_json::Error>() {
        Ok(error) => Arc::new(Unreadable { line: error.line(), column: error.column() }),
        Err(source) => Arc::from(source),
    }
}

/// JSON that cannot be read.
#[derive(Debug)]
struct Unreadable {
    line: usize,
    column: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON cannot be read at line {} column {}", self.line, self.column)
    }
}

impl StdError for Unreadable {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_which_kind_it_was() {
        for (status, kind) in [
            (400, Kind::Invalid),
            (401, Kind::Unauthenticated),
            (403, Kind::Forbidden),
            (404, Kind::NotFound),
            (409, Kind::Conflict),
            (413, Kind::Invalid),
            (422, Kind::Invalid),
            (429, Kind::Exhausted),
            (500, Kind::Internal),
            (501, Kind::Unimplemented),
            (502, Kind::Internal),
            (503, Kind::Unavailable),
        ] {
            assert_eq!(Kind::of_http(StatusCode::from_u16(status).unwrap()), kind, "{status}");
        }
    }

    #[test]
    fn no_cause_quotes_what_was_read() {
        let quoting = || serde_json::from_str::<u8>(r#""canary-json-4711""#).unwrap_err();
        assert!(quoting().to_string().contains("canary"), "else this shows nothing");
        for error in [Error::internal(quoting()), Error::new(Kind::DataLoss, "damaged").caused_by(quoting())]
        {
            let source = StdError::source(&error).map(ToString::to_string);
            assert_eq!(source.as_deref(), Some("JSON cannot be read at line 1 column 18"));
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
