//! The service in front of tonic.
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderName, HeaderValue, Method as HttpMethod, Request, Response, Version, header, request::Parts,
};
use tonic::Status;
use tower::{Service, ServiceExt};
use tracing::Span;

use super::{
    Config, ConnectGet, Deadline, Query,
    body::AnswerBody,
    classify::{Protocol, Wire, classify, unknown_method},
    compression::{is_gzip, take_accepts_gzip, take_encoding},
    deadline::{Deadlines, until},
    ending,
    error::{self, Guard},
    get::GetQuery,
    methods::{Method, Methods},
    read::Reader,
    unary, web,
};

/// Serves every protocol with one gRPC service.
///
/// `S` is the stack from authentication to tonic's `Routes`: any tower layer around them that answers what it
/// refuses with [`Status::into_http`]. It gets HTTP requests whose path has no prefix, whose body is
/// uncompressed gRPC (whole, for methods with one request message), with [`Deadline`], [`Query`] and
/// [`ConnectGet`] as extensions, and runs inside the codec's [`Format`](super::codec::Format): it must not
/// hand the request to another task before tonic has made its codec.
#[derive(Clone, Debug)]
pub struct Bridge<S> {
    inner: S,
    methods: Arc<Methods>,
    config: Config,
}

/// What is known of a call before its request is read.
struct Call {
    method: Arc<Method>,
    wire: Wire,
    /// The client understands compressed answers.
    gzip: bool,
    deadlines: Deadlines,
    guard: Guard,
}

impl<S> Bridge<S> {
    /// A bridge to `inner` for the given methods; any other path is UNIMPLEMENTED. Answers of methods carry
    /// their `Arc<Method>` as an extension.
    pub fn new(inner: S, methods: Methods, config: Config) -> Self {
        Self { inner, methods: Arc::new(methods), config }
    }
}

impl<S, B> Bridge<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    async fn handle(self, request: Request<Body>) -> Response<Body> {
        let Some(method) = self.methods.get(request.uri().path()).cloned() else {
            return unknown_method(request.headers());
        };
        let mut response = match classify(&request, &method) {
            Ok(wire) => {
                let served = self.serve(request, Arc::clone(&method), wire).await;
                served.unwrap_or_else(|status| wire.refuse(&status))
            }
            Err(refusal) => refusal.into_response(),
        };
        *response.version_mut() = Version::default();
        response.extensions_mut().insert(method);
        response
    }

    async fn serve(
        self,
        request: Request<Body>,
        method: Arc<Method>,
        wire: Wire,
    ) -> Result<Response<Body>, Status> {
        let (mut parts, body) = request.into_parts();
        let deadlines = Deadlines::take(&mut parts.headers, method.kind, &self.config)?;
        let guard =
            Guard { method: Arc::clone(&method), span: Span::current(), expose: self.config.expose_internal };
        let gzip = take_accepts_gzip(&mut parts.headers, &wire.accept_header());
        let call = Call { method, wire, gzip, deadlines, guard };
        let body = call.read(&mut parts, body, &self.config).await?;
        call.make_grpc(&mut parts);
        let answer = call.run(self.inner, Request::from_parts(parts, body));
        until(call.deadlines.answer, wire.format.scope(answer)).await
    }
}

impl Call {
    /// Reads the request as far as it must be before anybody may see it.
    async fn read(&self, parts: &mut Parts, body: Body, config: &Config) -> Result<Body, Status> {
        let limit = config.max_message.max(self.method.max_message);
        let gzip = take_encoding(&mut parts.headers, &self.wire.encoding_header())?;
        let mut reader =
            Reader { body, limit, idle: config.body_idle, deadline: self.deadlines.message, gzip };
        match self.wire.protocol {
            Protocol::Get => {
                let query = GetQuery::parse(parts.uri.query().unwrap_or_default())?;
                reader.gzip = is_gzip(query.compression.unwrap_or_default().as_bytes())?;
                reader.body = Body::from(query.message);
                return reader.bare().await.map(Body::from);
            }
            Protocol::Unary => {
                check_version(&parts.headers)?;
                return reader.bare().await.map(Body::from);
            }
            Protocol::Web { text: true } => {
                let text = reader.collect(web::text_limit(limit)).await?;
                reader.body = Body::from(web::decode_text(&text[super::envelope::HEADER..])?);
            }
            Protocol::Grpc | Protocol::Web { text: false } | Protocol::Stream => {}
        }
        if self.method.kind.single_request() {
            return reader.single().await.map(Body::from);
        }
        Ok(reader.stream())
    }

    /// Turns the head of the request into that of a plain gRPC call.
    fn make_grpc(&self, parts: &mut Parts) {
        if let Some(query) = parts.uri.query() {
            match parts.method {
                HttpMethod::GET => drop(parts.extensions.insert(ConnectGet(query.to_owned()))),
                _ => drop(parts.extensions.insert(Query(query.to_owned()))),
            }
        }
        if let Some(deadline) = self.deadlines.answer {
            parts.extensions.insert(Deadline(deadline));
        }
        parts.uri = self.method.uri.clone();
        parts.method = HttpMethod::POST;
        parts.version = Version::HTTP_2;
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    }

    /// Calls the service and turns its answer into the caller's protocol.
    async fn run<S, B>(&self, inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let mut response = match AssertUnwindSafe(inner.oneshot(request)).catch_unwind().await {
            Ok(Ok(response)) => response.map(tonic::body::Body::new),
            Ok(Err(never)) => match never {},
            Err(_) => Status::internal("the handler panicked").into_http(),
        };
        // Of the body that came, not of the one that leaves: axum counts where no service has the path.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        match self.wire.protocol {
            Protocol::Unary | Protocol::Get => {
                unary::answer(response, self.wire, self.gzip, &self.guard).await
            }
            _ => self.enveloped(response),
        }
    }

    fn enveloped(&self, response: Response<tonic::body::Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        let trailers = ending::take_trailers(&mut parts.headers);
        parts.headers.insert(header::CONTENT_TYPE, self.wire.content_type());
        if parts.headers.contains_key("grpc-status") {
            return self.trailers_only(parts.headers, trailers);
        }
        if self.gzip {
            parts.headers.insert(self.wire.encoding_header(), HeaderValue::from_static("gzip"));
        }
        let body = AnswerBody::new(body, self.wire.protocol, self.guard.clone(), trailers)
            .until(self.deadlines.answer)
            .gzip(self.gzip);
        Response::from_parts(parts, body.into_body())
    }

    /// An answer without messages: gRPC says all in the headers, Connect in its last envelope.
    fn trailers_only(&self, mut headers: http::HeaderMap, trailers: http::HeaderMap) -> Response<Body> {
        let mut answer = Response::new(Body::empty());
        if self.wire.protocol == Protocol::Stream {
            let error = error::take_status(&mut headers).err().map(|status| self.guard.redact(status));
            *answer.body_mut() = Body::from(ending::connect(error.as_ref(), &trailers));
        } else {
            self.guard.redact_headers(&mut headers);
            headers.extend(trailers);
        }
        *answer.headers_mut() = headers;
        answer
    }
}

fn check_version(headers: &http::HeaderMap) -> Result<(), Status> {
    match headers.get(HeaderName::from_static("connect-protocol-version")) {
        Some(version) if version != "1" => {
            Err(Status::invalid_argument("connect-protocol-version: must be \"1\""))
        }
        _ => Ok(()),
    }
}

impl<S, B> Service<Request<Body>> for Bridge<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Always ready: the inner service is waited for inside the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let bridge = self.clone();
        Box::pin(async move { Ok(bridge.handle(request).await) })
    }
}
