//! What a request wants the answer to be, and what the answer says about the request.
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use prost::{Message, Name};
use prost_types::Any;
use sealink::rpc::ConnectGet;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use crate::pb::{
    ConformancePayload, Error, Header, UnaryResponseDefinition,
    conformance_payload::{ConnectGetInfo, RequestInfo},
    unary_response_definition::Response as Wanted,
};

/// `google.rpc.Status`, as gRPC carries details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// Headers, timeout and query of a request.
#[derive(Clone)]
pub struct Head {
    headers: HeaderMap,
    extensions: Extensions,
}

impl Head {
    pub fn of<T>(request: &Request<T>) -> Self {
        Self { headers: request.metadata().clone().into_headers(), extensions: request.extensions().clone() }
    }

    /// What the suite wants to know about a request.
    pub fn info(&self, requests: Vec<Any>) -> RequestInfo {
        RequestInfo {
            request_headers: self.headers.keys().map(|name| header(&self.headers, name)).collect(),
            timeout_ms: self.headers.get("grpc-timeout").and_then(millis),
            requests,
            connect_get_info: self
                .extensions
                .get::<ConnectGet>()
                .map(|ConnectGet(query)| query_params(query)),
        }
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Header {
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Header { name: name.to_string(), value: headers.get_all(name).iter().map(value).collect() }
}

fn millis(timeout: &HeaderValue) -> Option<i64> {
    let text = timeout.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    match unit {
        "H" => number.checked_mul(3_600_000),
        "M" => number.checked_mul(60_000),
        "S" => number.checked_mul(1000),
        "m" => Some(number),
        "u" => Some(number / 1000),
        _ => Some(number / 1_000_000),
    }
}

fn query_params(query: &str) -> ConnectGetInfo {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let param = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Header { name: decode(name), value: vec![decode(value)] }
    };
    ConnectGetInfo { query_params: query.split('&').map(param).collect() }
}

/// A message in an `Any`.
pub fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

/// The wanted error, with more details.
pub fn status(error: Error, more: Option<&RequestInfo>) -> Status {
    let message = error.message.unwrap_or_default();
    let mut details = error.details;
    details.extend(more.map(any));
    let packed = RpcStatus { code: error.code, message: message.clone(), details }.encode_to_vec();
    Status::with_details(Code::from_i32(error.code), message, packed.into())
}

/// Adds headers, and trailers in the bridge's spelling.
pub fn add_metadata(metadata: &mut MetadataMap, headers: &[Header], trailers: &[Header]) {
    let mut all = std::mem::take(metadata).into_headers();
    let headers = headers.iter().map(|header| (header.name.clone(), &header.value));
    let trailers = trailers.iter().map(|header| (format!("trailer-{}", header.name), &header.value));
    for (name, values) in headers.chain(trailers) {
        let Ok(name) = HeaderName::try_from(name) else { continue };
        for value in values.iter().filter_map(|value| HeaderValue::try_from(value).ok()) {
            all.append(name.clone(), value);
        }
    }
    *metadata = MetadataMap::from_headers(all);
}

/// Answers a call with one response.
pub async fn one<R>(
    head: &Head,
    definition: Option<UnaryResponseDefinition>,
    requests: Vec<Any>,
    response: impl FnOnce(ConformancePayload) -> R,
) -> Result<Response<R>, Status> {
    let info = head.info(requests);
    let definition = definition.unwrap_or_default();
    let (headers, trailers) = (definition.response_headers, definition.response_trailers);
    let delay = std::time::Duration::from_millis(definition.response_delay_ms.into());
    let data = match definition.response {
        Some(Wanted::Error(error)) => {
            tokio::time::sleep(delay).await;
            let mut status = status(error, Some(&info));
            add_metadata(status.metadata_mut(), &headers, &trailers);
            return Err(status);
        }
        Some(Wanted::ResponseData(data)) => data,
        None => Vec::new(),
    };
    tokio::time::sleep(delay).await;
    let mut response = Response::new(response(ConformancePayload { data, request_info: Some(info) }));
    add_metadata(response.metadata_mut(), &headers, &trailers);
    Ok(response)
}
