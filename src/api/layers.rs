//! What every request passes through before it is routed, whatever its protocol.
use std::{
    any::Any,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, Response, header};
use tonic::Status;
use tower::{Service, ServiceBuilder, util::option_layer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
};
use uuid::Uuid;

use super::access_log::AccessLog;
use crate::{clock::Clock, rpc::respond};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of clients are replaced.
const REQUEST_ID_MAX: usize = 64;

/// Stacks the common layers around `app`, outermost first. Authentication and rate limits of RPCs are not
/// here: they stand behind the bridge, where every call is a gRPC call.
pub fn layers<S>(
    app: S,
    cors: Option<CorsLayer>,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        // A bug in one request must not take its connection's other requests along.
        .layer(CatchPanicLayer::custom(panicked))
        // The id goes into logs, so it must be short and plain.
        .map_request(drop_odd_request_id)
        // Every log line and every complaint names the same request.
        .layer(SetRequestIdLayer::new(REQUEST_ID, Counter::new()))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        // Has the id by now, and sees refusals of the layers below too.
        .layer(AccessLog)
        // Marked so that neither `Debug` nor HTTP/2's header tables keep them.
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::PROXY_AUTHORIZATION,
            header::COOKIE,
        ]))
        // A preflight carries no token: it is answered before anybody asks for one.
        .layer(option_layer(cors))
        .service(app)
}

/// Ids that are unique in this process's life and cheap to make: the UUID of its start, whose last 48 bits count.
#[derive(Clone, Debug)]
struct Counter {
    first: u128,
    next: Arc<AtomicU64>,
}

/// The bits that count.
const COUNTED: u128 = (1 << 48) - 1;

impl Counter {
    fn new() -> Self {
        Self { first: Clock::System.new_id().as_u128() & !COUNTED, next: Arc::default() }
    }
}

impl MakeRequestId for Counter {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let count = u128::from(self.next.fetch_add(1, Ordering::Relaxed)) & COUNTED;
        let mut text = Uuid::encode_buffer();
        let id = Uuid::from_u128(self.first | count).hyphenated().encode_lower(&mut text);
        HeaderValue::try_from(&*id).ok().map(RequestId::new)
    }
}

fn drop_odd_request_id(mut request: Request<Body>) -> Request<Body> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let odd = |id: &HeaderValue| id.len() > REQUEST_ID_MAX || !id.as_bytes().iter().all(plain);
    if request.headers().get(REQUEST_ID).is_some_and(odd) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// The panic hook has logged it; its text may hold anything, so it stays here.
fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    respond(&Status::internal("internal"))
}
