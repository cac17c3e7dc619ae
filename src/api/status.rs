//! Errors as gRPC says them; the bridge says the same in every other protocol.
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status, metadata::MetadataValue};

use super::rules::violations;
use crate::{
    error::{Error, Kind},
    rpc::RpcStatus,
};

/// `google.rpc.RetryInfo`.
#[derive(Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// The status of an error. What an operator should know is logged here, once, inside the request's span; the
/// caller of what is unexpected reads "internal".
pub(super) fn status(error: &Error) -> Status {
    let code = error.kind().grpc();
    log_unexpected(error);
    let mut details = Vec::new();
    if !error.violations().is_empty() {
        details.push(any("buf.validate.Violations", &violations(error.violations())));
    }
    if let Some(delay) = error.retry_delay() {
        details.push(any("google.rpc.RetryInfo", &retry_info(delay)));
    }
    let message = error.message().to_owned();
    let mut status = if details.is_empty() {
        Status::new(code, message)
    } else {
        let encoded = RpcStatus { code: code.into(), message: message.clone(), details }.encode_to_vec();
        Status::with_details(code, message, Bytes::from(encoded))
    };
    if let Some(delay) = error.retry_delay() {
        let seconds = MetadataValue::from(delay.as_secs().max(1));
        status.metadata_mut().insert("ratelimit-retryafter", seconds.clone());
        status.metadata_mut().insert("retry-after", seconds);
    }
    status
}

/// A status with one detail: a message of the full name `name`.
pub(super) fn detailed(code: Code, message: String, name: &str, detail: &impl Message) -> Status {
    let details = vec![any(name, detail)];
    let encoded = RpcStatus { code: code.into(), message: message.clone(), details }.encode_to_vec();
    Status::with_details(code, message, Bytes::from(encoded))
}

/// Logs what an operator should know, once, inside the request's span.
pub(super) fn log_unexpected(error: &Error) {
    if is_unexpected(error) {
        log(error);
    }
}

fn is_unexpected(error: &Error) -> bool {
    match error.kind() {
        Kind::Internal | Kind::DataLoss => true,
        // What the server ran into, such as a full disk or a database that is gone. Limits that it sets its callers and
        // forges that fail them have no cause here, and would let any member fill the log.
        Kind::Exhausted | Kind::Unavailable => std::error::Error::source(error).is_some(),
        _ => false,
    }
}

fn log(error: &Error) {
    let mut chain = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    tracing::error!(error.kind = ?error.kind(), error.chain = chain.join(": "), "{error}");
}

fn any(name: &str, message: &impl Message) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

fn retry_info(delay: Duration) -> RetryInfo {
    let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX).clamp(1, 30);
    RetryInfo { retry_delay: Some(prost_types::Duration { seconds, nanos: 0 }) }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        status(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_fill_the_log() {
        let cause = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        for (kind, bare, caused) in [
            (Kind::Internal, true, true),
            (Kind::DataLoss, true, true),
            (Kind::Unavailable, false, true),
            (Kind::Exhausted, false, true),
            (Kind::Invalid, false, false),
            (Kind::Forbidden, false, false),
        ] {
            let error = || Error::new(kind, "no");
            let found = (is_unexpected(&error()), is_unexpected(&error().caused_by(cause())));
            assert_eq!(found, (bare, caused), "{kind:?}");
        }
    }
}
