//! How a stream of messages ends: trailers in gRPC, a last envelope in Connect and gRPC-Web.
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Serialize;
use tonic::Status;

use super::{envelope::wrap, error::ConnectError};

const CONNECT_END: u8 = 0x02;
const WEB_END: u8 = 0x80;
const TRAILER: &str = "trailer-";

#[derive(Serialize)]
struct End<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ConnectError<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, Vec<&'a str>>,
}

/// Connect's `EndStreamResponse`.
pub(super) fn connect(error: Option<&Status>, trailers: &HeaderMap) -> Bytes {
    let mut metadata = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in trailers {
        if let Ok(value) = value.to_str() {
            metadata.entry(name.as_str()).or_default().push(value);
        }
    }
    let end = End { error: error.map(ConnectError::from), metadata };
    wrap(CONNECT_END, &serde_json::to_vec(&end).unwrap_or_else(|_| b"{}".to_vec()))
}

/// gRPC-Web's trailers: `name: value` lines.
pub(super) fn web(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    wrap(WEB_END, &lines)
}

/// Takes the headers named `trailer-x` out, as trailers `x`. tonic gives unary handlers no other way to set
/// a trailer, and for Connect unary this is already its form on the wire.
pub(super) fn take_trailers(headers: &mut HeaderMap) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if !headers.keys().any(|name| name.as_str().starts_with(TRAILER)) {
        return trailers;
    }
    let mut name: Option<HeaderName> = None;
    for (next, value) in std::mem::take(headers) {
        name = next.or(name);
        let Some(name) = &name else { continue };
        match name.as_str().strip_prefix(TRAILER).and_then(|name| HeaderName::try_from(name).ok()) {
            Some(trailer) => trailers.append(trailer, value),
            None => headers.append(name.clone(), value),
        };
    }
    trailers
}
