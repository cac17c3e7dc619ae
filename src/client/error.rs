//! What can go wrong between us and the server.
use std::{
    error::Error as StdError,
    fmt::{self, Write as _},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::HeaderMap;
use prost::Message;
use serde::Deserialize;
use tonic::Code;

use crate::{
    error::{Error, Kind, Violation},
    pb::buf::validate,
};

/// Why a call has no answer.
#[derive(Debug)]
pub enum ClientError {
    /// The client itself cannot be built.
    Unusable {
        /// What is missing.
        cause: String,
    },
    /// Nothing answers at that address.
    Unreachable {
        /// The base URL.
        server: String,
        /// What the operating system says.
        cause: String,
    },
    /// A connection was made, and then no answer came in time.
    TimedOut {
        /// The base URL.
        server: String,
    },
    /// Something answers there, but not in this protocol: a proxy, or another program.
    Protocol {
        /// The base URL.
        server: String,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// The server understood, and said no.
    Api(ApiError),
}

/// An error as the server put it.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Which of the sixteen codes.
    pub code: Code,
    /// The server's sentence.
    pub message: String,
    /// The fields to blame: from a `buf.validate.Violations` detail, or the REST API's `errors`.
    pub violations: Vec<Violation>,
    /// How long to wait: from a `google.rpc.RetryInfo` detail, or `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether the server says that the same again is in vain: `x-should-retry: false`.
    pub futile: bool,
}

/// `google.rpc.RetryInfo`.
#[derive(Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

impl ClientError {
    /// Whether the server refused the token itself, not what it was used for.
    #[must_use]
    pub fn is_token_refused(&self) -> bool {
        self.code() == Some(Code::Unauthenticated)
    }

    /// How long the server asks to wait before another try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// Whether the server says that the same again is in vain.
    #[must_use]
    pub fn is_futile(&self) -> bool {
        matches!(self, Self::Api(ApiError { futile: true, .. }))
    }

    /// The server's code, if the server answered.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Api(refusal) => Some(refusal.code),
            _ => None,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { cause } => write!(f, "cannot set up TLS: {cause}"),
            Self::Unreachable { server, cause } => write!(
                f,
                "no server answers at {server} ({cause}); start one with `sealink serve`, or name it with --server \
                 or SEALINK_URL"
            ),
            Self::TimedOut { server } => {
                write!(f, "the server at {server} took too long to answer; try again")
            }
            Self::Protocol { server, status } => write!(
                f,
                "what answers at {server} does not speak Sealink's API (HTTP status {status}); check --server or \
                 SEALINK_URL"
            ),
            Self::Api(refusal) => f.write_str(&refusal.message),
        }
    }
}

impl StdError for ClientError {}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Unusable { .. } => Self::new(Kind::Precondition, message),
            ClientError::TimedOut { .. } => Self::new(Kind::Deadline, message),
            ClientError::Unreachable { .. } | ClientError::Protocol { .. } => {
                Self::new(Kind::Unavailable, message)
            }
            ClientError::Api(refusal) => {
                let error = Self::new(kind(refusal.code), message).with_violations(refusal.violations);
                match refusal.retry_after {
                    Some(delay) => error.retry_after(delay),
                    None => error,
                }
            }
        }
    }
}

impl ApiError {
    /// Reads the error object of the Connect protocol; `None` if it is not one.
    pub(super) fn from_json(body: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(body).ok()?;
        let code = code(&wire.code)?;
        let message = if wire.message.is_empty() { wire.code } else { wire.message };
        let violations = wire.details.iter().flat_map(Detail::violations).collect();
        let retry_after = wire.details.iter().find_map(Detail::retry_after);
        Some(Self { code, message, violations, retry_after, futile: false })
    }

    /// The same, with what the answer's headers say of it.
    pub(super) fn with_headers(self, headers: &HeaderMap) -> Self {
        let futile = headers.get("x-should-retry").is_some_and(|value| value == "false");
        Self { futile, ..self }
    }
}

#[derive(Deserialize)]
struct Wire {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "type")]
    name: String,
    value: String,
}

impl Detail {
    /// The detail's message, if it is `name`.
    fn decoded<M: Message + Default>(&self, name: &str) -> Option<M> {
        let bytes = (self.name == name).then(|| STANDARD_NO_PAD.decode(self.value.trim_end_matches('=')));
        M::decode(&bytes?.ok()?[..]).ok()
    }

    fn violations(&self) -> Vec<Violation> {
        let decoded: validate::Violations = self.decoded("buf.validate.Violations").unwrap_or_default();
        decoded.violations.into_iter().map(violation).collect()
    }

    fn retry_after(&self) -> Option<Duration> {
        let delay = self.decoded::<RetryInfo>("google.rpc.RetryInfo")?.retry_delay?;
        delay.try_into().ok()
    }
}

fn violation(wire: validate::Violation) -> Violation {
    let mut field = String::new();
    for element in wire.field.iter().flat_map(|path| &path.elements) {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(element.field_name());
        if let Some(index) = element.index {
            let _ = write!(field, "[{index}]");
        }
    }
    Violation {
        field,
        rule: wire.constraint_id.unwrap_or_default().into(),
        message: wire.message.unwrap_or_default().into(),
    }
}

/// The names the Connect protocol has for the codes.
const CODES: [(&str, Code, Kind); 16] = [
    ("canceled", Code::Cancelled, Kind::Unavailable),
    ("unknown", Code::Unknown, Kind::Internal),
    ("invalid_argument", Code::InvalidArgument, Kind::Invalid),
    ("deadline_exceeded", Code::DeadlineExceeded, Kind::Deadline),
    ("not_found", Code::NotFound, Kind::NotFound),
    ("already_exists", Code::AlreadyExists, Kind::AlreadyExists),
    ("permission_denied", Code::PermissionDenied, Kind::Forbidden),
    ("resource_exhausted", Code::ResourceExhausted, Kind::Exhausted),
    ("failed_precondition", Code::FailedPrecondition, Kind::Precondition),
    ("aborted", Code::Aborted, Kind::Conflict),
    ("out_of_range", Code::OutOfRange, Kind::Invalid),
    ("unimplemented", Code::Unimplemented, Kind::Unimplemented),
    ("internal", Code::Internal, Kind::Internal),
    ("unavailable", Code::Unavailable, Kind::Unavailable),
    ("data_loss", Code::DataLoss, Kind::DataLoss),
    ("unauthenticated", Code::Unauthenticated, Kind::Unauthenticated),
];

fn code(name: &str) -> Option<Code> {
    CODES.iter().find(|row| row.0 == name).map(|row| row.1)
}

fn kind(code: Code) -> Kind {
    CODES.iter().find(|row| row.1 == code).map_or(Kind::Internal, |row| row.2)
}

/// The innermost reason, without the layers of libraries around it.
pub(super) fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_to_blame() {
        let element = |name: &str, index| validate::FieldPathElement {
            field_name: Some(name.to_owned()),
            index,
            ..Default::default()
        };
        let violations = validate::Violations {
            violations: vec![validate::Violation {
                constraint_id: Some("string.uuid".to_owned()),
                message: Some("value must be a valid UUID".to_owned()),
                field: Some(validate::FieldPath {
                    elements: vec![element("filter", None), element("runner_ids", Some(2))],
                }),
                ..Default::default()
            }],
        };
        let value = STANDARD_NO_PAD.encode(violations.encode_to_vec());
        let json = serde_json::json!({
            "code": "invalid_argument",
            "message": "validation error",
            "details": [{"type": "buf.validate.Violations", "value": value}, {"type": "other", "value": "?"}],
        });
        let refusal = ApiError::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(refusal.code, Code::InvalidArgument);
        assert_eq!(refusal.violations[0].field, "filter.runner_ids[2]");
        assert_eq!(refusal.violations[0].rule, "string.uuid");
    }

    #[test]
    fn reads_when_to_come_back() {
        let info = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 }) };
        let value = STANDARD_NO_PAD.encode(info.encode_to_vec());
        let json = serde_json::json!({
            "code": "unavailable", "details": [{"type": "google.rpc.RetryInfo", "value": value}],
        });
        let refusal = ApiError::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!((refusal.retry_after, refusal.futile), (Some(Duration::from_millis(2_500)), false));
        let headers = HeaderMap::from_iter([("x-should-retry".parse().unwrap(), "false".parse().unwrap())]);
        assert!(ClientError::Api(refusal.with_headers(&headers)).is_futile());
    }

    #[test]
    fn other_answers_are_no_refusal() {
        for body in ["", "<html>", "{}", r#"{"code":"ok"}"#, r#"{"code":404}"#] {
            assert_eq!(ApiError::from_json(body.as_bytes()), None, "{body}");
        }
        let bare = ApiError::from_json(br#"{"code":"not_found"}"#).unwrap();
        assert_eq!(bare.message, "not_found");
    }
}
