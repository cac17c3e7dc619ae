//! Methods that come later say so, whatever the body: tonic decodes before it asks the method.
use std::convert::Infallible;

use axum::body::Body;
use http::{Method, Request, Response, Uri, Version, header};
use tonic::Code;
use tower::{Service, ServiceExt};

use crate::rpc::codec::Format;

/// An empty message of each format behind its header.
const EMPTY: [(Format, &[u8]); 2] = [(Format::Proto, &[0; 5]), (Format::Json, b"\0\0\0\0\x02{}")];

/// The answer, or UNIMPLEMENTED if it is a refusal of the request of a method that is not served yet.
///
/// The method is asked once more, with an empty message and without a caller: one that is served refuses that before
/// anything else, because it asks for its caller first.
pub(super) async fn or_not_yet<S>(
    inner: &mut S,
    uri: Uri,
    answer: S::Response,
) -> Result<S::Response, Infallible>
where
    S: Service<Request<Body>, Response = Response<tonic::body::Body>, Error = Infallible>,
{
    if code(&answer) != Some(Code::InvalidArgument) {
        return Ok(answer);
    }
    let format = Format::current();
    let empty = EMPTY.into_iter().find_map(|(known, empty)| (known == format).then_some(empty));
    let mut request = Request::new(Body::from(empty.unwrap_or_default()));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri;
    let grpc = header::HeaderValue::from_static("application/grpc");
    request.headers_mut().insert(header::CONTENT_TYPE, grpc);
    let again = inner.ready().await?.call(request).await?;
    Ok(if code(&again) == Some(Code::Unimplemented) { again } else { answer })
}

/// How a call without a message ended.
fn code(answer: &Response<tonic::body::Body>) -> Option<Code> {
    answer.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
