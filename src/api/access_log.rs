//! Every log line of a request carries its id; and one line per request, for operators who ask for it (log level
//! debug). Never a query, a header, a body or a path that is not served: each may hold what is nobody's business.
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{body::Body, extract::MatchedPath};
use futures_util::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, Either},
};
use http::{Request, Response};
use tower::{Layer, Service};
use tower_http::request_id::RequestId;
use tracing::{Instrument, instrument::Instrumented};

use crate::rpc::Method;

/// The paths besides those of methods.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Logs every request of the services it wraps, and puts what they log under the request's id.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccessLog;

impl<S> Layer<S> for AccessLog {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged(inner)
    }
}

/// The service behind [`AccessLog`].
#[derive(Clone, Debug)]
pub(super) struct Logged<S>(S);

impl<S, B> Service<Request<Body>> for Logged<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Either<Instrumented<S::Future>, BoxFuture<'static, Result<S::Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok());
        // Of the highest level, so that no filter takes the id away from a line that it lets pass.
        let span = tracing::error_span!("request", request.id = id);
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return Either::Left(span.in_scope(|| self.0.call(request)).instrument(span));
        }
        let method = request.method().clone();
        let probe = PROBES.into_iter().find(|path| *path == request.uri().path());
        let started = Instant::now();
        let answer = span.in_scope(|| self.0.call(request)).inspect_ok(move |response| {
            let served = response.extensions().get::<Arc<Method>>().map(|method| method.uri.path());
            let route = || response.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
            tracing::debug!(
                http.method = %method,
                http.path = served.or_else(route).or(probe).unwrap_or("unknown"),
                http.status = response.status().as_u16(),
                duration_us = started.elapsed().as_micros(),
                "answered"
            );
        });
        Either::Right(answer.instrument(span).boxed())
    }
}
