//! `Idempotency-Key`, of every protocol: the one place between knowing who calls and the handlers.
//!
//! ```text
//! probe:   the handler checks the request, says what it decoded, and makes nothing
//! attempt: nobody has used the key -> the handler runs, and what it makes is written down with the key
//!          the key made something  -> the handler answers with that
//! failed:  perhaps another server was faster -> ask again, and answer with that
//! ```
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, request::Parts};
use prost::Message;
use tonic::Status;
use tower::Service as TowerService;
use zeroize::Zeroizing;

use super::status::status;
use crate::{
    domain::{
        access::Caller,
        idempotency::{IdempotencyKey, Once, Policy, invalid, policy},
    },
    error::{Error, Result},
    service::{Ask, Service},
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

type GrpcResponse = Response<tonic::body::Body>;

/// Where a handler leaves what it decoded. Without a field for anything else, equal requests have equal bytes.
#[derive(Clone, Default)]
pub(super) struct Probe(Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>);

impl Probe {
    /// Ends a call that was only to be checked.
    pub(super) fn stop(extensions: &http::Extensions, message: &impl Message) -> Status {
        let Some(Self(place)) = extensions.get() else {
            return status(&Error::internal("a probe without a place for what it finds"));
        };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Zeroizing::new(message.encode_to_vec()));
        Status::cancelled("probed")
    }

    fn take(self) -> Option<Zeroizing<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request that can be made more than once.
struct Repeatable {
    parts: Parts,
    body: Bytes,
}

impl Repeatable {
    async fn run<S>(&self, mut inner: S, caller: Caller) -> Result<GrpcResponse, Infallible>
    where
        S: TowerService<Request<Body>, Response = GrpcResponse, Error = Infallible>,
    {
        let mut request = Request::from_parts(self.parts.clone(), Body::from(self.body.clone()));
        request.extensions_mut().insert(caller);
        inner.call(request).await
    }
}

/// Whether the request names itself.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER)
}

/// What a method says to a key that it refuses whoever calls.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) with the reason.
pub(super) fn admit(path: &str) -> Result<()> {
    match policy(path) {
        Some((_, Policy::Refused(reason))) => Err(invalid(reason)),
        _ => Ok(()),
    }
}

/// Makes a call that names itself.
pub(super) async fn call<S>(
    inner: S,
    service: &Service,
    caller: Caller,
    request: Request<Body>,
) -> Result<GrpcResponse, Infallible>
where
    S: TowerService<Request<Body>, Response = GrpcResponse, Error = Infallible> + Clone,
{
    match once(inner, service, &caller, request).await {
        Ok(answer) => answer,
        Err(error) => Ok(status(&error).into_http()),
    }
}

async fn once<S>(
    mut inner: S,
    service: &Service,
    caller: &Caller,
    request: Request<Body>,
) -> Result<Result<GrpcResponse, Infallible>>
where
    S: TowerService<Request<Body>, Response = GrpcResponse, Error = Infallible> + Clone,
{
    let (mut parts, body) = request.into_parts();
    let Some((method, Policy::Once)) = policy(parts.uri.path()) else {
        admit(parts.uri.path())?;
        // Reads, updates and deletes are what they are, however often they are sent.
        parts.extensions.insert(caller.clone());
        return Ok(inner.call(Request::from_parts(parts, body)).await);
    };
    let key = key(&parts.headers)?;
    // It is there as a whole, within the limit of messages.
    let body = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let probe = Probe::default();
    parts.extensions.insert(probe.clone());
    let request = Repeatable { parts, body };
    let probed = request.run(inner.clone(), Caller { once: Some(Once::Probe), ..caller.clone() }).await;
    // Refused: nobody needs to know more.
    let Some(decoded) = probe.take() else { return Ok(probed) };
    let ask = Ask { method, key: &key, request: &decoded };
    let attempt = service.attempt(caller, ask).await?;
    let answer = request.run(inner.clone(), attempt.caller.clone()).await;
    let failed = answer.as_ref().is_ok_and(|answer| answer.headers().contains_key("grpc-status"));
    if failed
        && matches!(attempt.caller.once, Some(Once::First(_)))
        && let Some(caller) = service.repeated(caller, ask).await?
    {
        return Ok(request.run(inner, caller).await);
    }
    Ok(answer)
}

/// The request's name for itself, if it has one.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) for what is no key, or more than one.
pub(super) fn named(headers: &HeaderMap) -> Result<Option<IdempotencyKey>> {
    is_named(headers).then(|| key(headers)).transpose()
}

fn key(headers: &HeaderMap) -> Result<IdempotencyKey> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => IdempotencyKey::parse(value.as_bytes()),
        _ => Err(invalid("value must be there once")),
    }
}
