//! Who is calling: between the bridge, which has checked framing and limits, and tonic, which decodes.
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service as TowerService};

use super::{
    authorization::authorization,
    grpc::not_yet,
    idempotency,
    rules::{Rpc, serving},
    status::status,
};
use crate::{
    domain::{access::Caller, token::Credential},
    error::{Error, Result},
    pb::{
        gitpod::v1::{ExchangeTokenRequest, GetIdTokenRequest, ListScmIntegrationsRequest},
        sealink::v1::GetConfigurationRequest,
    },
    service::Service,
};

/// Services that need no token: health, and reflection where it is switched on.
const OPEN_SERVICES: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];
/// Methods that check the token themselves, in the same query that reads their answer.
const DEFERRED: [&str; 2] = [ListScmIntegrationsRequest::PATH, GetConfigurationRequest::PATH];
/// Methods that are not served yet. They say so before tonic decodes, whatever the body holds.
const UNSERVED: [&str; 1] = [GetIdTokenRequest::PATH];

/// A bearer token that the handler itself checks. If it does not, the layer does before anything is answered.
pub(super) struct Deferred {
    credential: Credential,
    settled: AtomicBool,
}

impl Deferred {
    /// The token, which the caller of this promises to check.
    pub(super) fn settle(&self) -> &Credential {
        self.settled.store(true, Ordering::Relaxed);
        &self.credential
    }
}

/// Puts the [`Caller`] into every request, or refuses it.
#[derive(Clone)]
pub(super) struct Authenticate {
    service: Arc<Service>,
}

impl Authenticate {
    /// Authenticates with `service`.
    #[must_use]
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated { inner, service: Arc::clone(&self.service) }
    }
}

/// The service behind [`Authenticate`].
#[derive(Clone)]
pub(super) struct Authenticated<S> {
    inner: S,
    service: Arc<Service>,
}

impl<S> TowerService<Request<Body>> for Authenticated<S>
where
    S: TowerService<Request<Body>, Response = Response<tonic::body::Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<S::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        let service = Arc::clone(&self.service);
        let uri = request.uri().clone();
        Box::pin(serving(uri, async move { answer(inner, &service, request).await }))
    }
}

async fn answer<S>(
    mut inner: S,
    service: &Service,
    mut request: Request<Body>,
) -> Result<S::Response, Infallible>
where
    S: TowerService<Request<Body>, Response = Response<tonic::body::Body>, Error = Infallible> + Clone,
{
    let path = request.uri().path();
    let named = idempotency::is_named(request.headers());
    if path == ExchangeTokenRequest::PATH || OPEN_SERVICES.iter().any(|open| path.starts_with(open)) {
        if named && let Err(error) = idempotency::admit(path) {
            return Ok(refuse(&error));
        }
        return inner.call(request).await;
    }
    let (deferred, unserved) = (DEFERRED.contains(&path), UNSERVED.contains(&path));
    let credential = authorization(request.headers(), "bearer").and_then(Credential::parse);
    let Some(credential) = credential else { return Ok(refuse(&Error::unauthenticated())) };
    if deferred {
        let deferred = Arc::new(Deferred { credential, settled: AtomicBool::new(false) });
        request.extensions_mut().insert(Arc::clone(&deferred));
        let response = inner.call(request).await?;
        // The handler was not reached, or refused before it asked: the token still comes first.
        if !deferred.settled.load(Ordering::Relaxed)
            && let Err(error) = service.authenticate(&deferred.credential).await
        {
            return Ok(refuse(&error));
        }
        return Ok(response);
    }
    match service.authenticate(&credential).await {
        Ok(_) if unserved => Ok(refuse(&not_yet())),
        // Apart, so that others do not carry its state along.
        Ok(caller) if named => Box::pin(idempotency::call(inner, service, caller, request)).await,
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            inner.call(request).await
        }
        Err(error) => Ok(refuse(&error)),
    }
}

fn refuse(error: &Error) -> Response<tonic::body::Body> {
    status(error).into_http()
}

/// The caller that the layer put into the request.
pub(super) fn caller(extensions: &http::Extensions) -> Result<Caller, Status> {
    extensions.get::<Caller>().cloned().ok_or_else(|| status(&Error::unauthenticated()))
}
