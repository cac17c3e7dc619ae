//! Connect unary answers: one bare message or one JSON error.
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::BodyExt;
use tonic::Status;

use super::{
    classify::{Protocol, Wire},
    compression::deflate,
    envelope::HEADER,
    error::{self, Guard},
};

/// Turns a gRPC answer into a Connect one. gRPC trailers become `trailer-x` headers.
pub(super) async fn answer(
    response: Response<tonic::body::Body>,
    wire: Wire,
    gzip: bool,
    guard: &Guard,
) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let mut answer = Response::new(Body::empty());
    *answer.headers_mut() = parts.headers;
    let message = match read(body, answer.headers_mut()).await {
        Ok(message) => message,
        Err(status) => {
            error::turn_into(&mut answer, &guard.redact(status));
            return answer;
        }
    };
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, wire.content_type());
    if wire.protocol == Protocol::Get {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    *answer.body_mut() = match if gzip { deflate(&message) } else { None } {
        Some(small) => {
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::from(small)
        }
        None => Body::from(message),
    };
    answer
}

/// The message of a gRPC answer; its trailers are added to `headers`.
async fn read(body: tonic::body::Body, headers: &mut HeaderMap) -> Result<Bytes, Status> {
    if headers.contains_key("grpc-status") {
        error::take_status(headers)?;
        return Err(Status::internal("the call ended without a message"));
    }
    let collected = body.collect().await?;
    let mut trailers = collected.trailers().cloned().unwrap_or_default();
    let outcome = error::take_status(&mut trailers);
    for (name, value) in &trailers {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            headers.append(name, value.clone());
        }
    }
    outcome?;
    let message = collected.to_bytes();
    if message.len() < HEADER {
        return Err(Status::internal("the call ended without a message"));
    }
    Ok(message.slice(HEADER..))
}
