//! Which web pages may call the API from a browser.
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::error::{Error, Kind, Result};

/// What scripts may read of an answer: where gRPC-Web and Connect put status, trailers and advice.
/// The star is every other header, for calls without cookies, which are all there are.
const EXPOSED: [&str; 9] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-encoding",
    "connect-content-encoding",
    "x-request-id",
    "retry-after",
    "ratelimit-retryafter",
    "*",
];

/// What the protocols use; a preflight itself asks for no permission.
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// How long a browser may remember the answer to a preflight.
const MAX_AGE: Duration = Duration::from_hours(2);

/// CORS for exactly these origins (`https://console.example.com`); `None` for none at all. `*` is no origin: a
/// page that nobody named has no business with users' tokens.
///
/// Any request header is allowed: SDKs send a dozen of their own, and what protects callers is the origin and
/// that their token is not a cookie.
///
/// # Errors
/// [`Kind::Invalid`] for what is not an origin.
pub fn cors(origins: &[String]) -> Result<Option<CorsLayer>> {
    if origins.is_empty() {
        return Ok(None);
    }
    let allowed = origins.iter().map(|origin| parse(origin)).collect::<Result<Vec<_>>>()?;
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(allowed))
        .allow_methods(METHODS)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        .max_age(MAX_AGE);
    Ok(Some(layer))
}

/// An origin as browsers send it: scheme, host and port, nothing else.
fn parse(origin: &str) -> Result<HeaderValue> {
    let invalid =
        || Error::new(Kind::Invalid, "cors.allowed_origins: must be like https://console.example.com");
    let url = url::Url::parse(origin).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != origin {
        return Err(invalid());
    }
    HeaderValue::try_from(origin).map_err(|_| invalid())
}
