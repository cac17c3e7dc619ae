//! One service implementation (the trait that tonic generates), every wire protocol.
//!
//! tonic speaks gRPC. This layer stands in front of tonic's `Routes` and turns the other
//! protocols into gRPC calls and back. It never looks into a message: the JSON codec is the
//! service's own tonic codec (`pb::codec::Codec`), and Connect and gRPC share the 5-byte
//! envelope, so only headers, errors and the end of the body differ.
pub mod body;
pub mod codec;
pub mod error;
pub mod methods;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use error::{ConnectError, Ended};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
pub use methods::{Kind, Methods};
use codec::Format;
use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, task::{Context, Poll}, time::Duration};
use tokio::time::Instant;
use tonic::{Code, service::Routes};
use tower::{Service, ServiceExt};

pub const SUPPORTED_ENCODINGS: &str = "gzip";

#[derive(Clone)]
pub struct Rpc {
    grpc: Routes,
    methods: Arc<Methods>,
    max_body: usize,
}

/// Response extension: trailers of a unary response (tonic has no place for them).
#[derive(Clone)]
pub struct Trailers(pub HeaderMap);
/// Request extension: the query of a Connect GET.
#[derive(Clone)]
pub struct ConnectGet(pub String);
#[derive(Clone)]
pub struct IsConnectUnary;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol { Grpc, GrpcWeb, Unary, Stream, Get }

impl Rpc {
    pub fn new(grpc: Routes, methods: Methods, max_body: usize) -> Self {
        let grpc = grpc.prepare();
        Self { grpc, methods: Arc::new(methods), max_body }
    }

    async fn handle(mut self, req: Request<Body>) -> Response<Body> {
        let method = self.methods.get(req.uri().path());
        let single = method.is_some_and(|m| matches!(m.kind, Kind::Unary | Kind::ServerStream));
        let limit = self.max_body;
        let envelopes = move |b| Body::new(body::Envelopes::new(b, limit, single));
        let (protocol, format) = match classify(&req) {
            Some(p) => p,
            None => return self.refuse(req.into_parts().0, method),
        };
        match protocol {
            Protocol::Grpc => {
                let req = req.map(envelopes);
                let deadline = grpc_deadline(req.headers());
                let mut res = call_until(deadline, format.scope(self.grpc.call(req))).await;
                if format == Format::Json {
                    res.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc+json"));
                }
                return with_trailers(res).map(Body::new);
            }
            Protocol::GrpcWeb => {
                return self.grpc_web(req, format, single).await;
            }
            _ => {}
        }
        let Some(method) = method else {
            return ConnectError::new(Code::Unimplemented, "unknown method").respond(StatusCode::NOT_FOUND);
        };
        let fits = match protocol {
            Protocol::Unary => method.kind == Kind::Unary,
            Protocol::Get => method.kind == Kind::Unary && method.no_side_effects,
            _ => method.kind != Kind::Unary,
        };
        if !fits || (format == Format::Json && !method.json) {
            return match protocol {
                Protocol::Get => with_header(empty(StatusCode::METHOD_NOT_ALLOWED), header::ALLOW, "POST"),
                _ => unsupported_media_type(),
            };
        }
        match protocol {
            Protocol::Stream => self.stream(req.map(envelopes), format).await,
            _ => self.unary(req, format, protocol == Protocol::Get).await
                .unwrap_or_else(ConnectError::into_response),
        }
    }

    fn refuse(&self, parts: http::request::Parts, method: Option<methods::MethodInfo>) -> Response<Body> {
        if method.is_none() { return ConnectError::new(Code::Unimplemented, "unknown method").respond(StatusCode::NOT_FOUND) }
        if parts.method == Method::POST { return unsupported_media_type() }
        with_header(empty(StatusCode::METHOD_NOT_ALLOWED), header::ALLOW, "POST")
    }

    /// POST application/{json,proto} or GET: one bare message in, one out.
    async fn unary(self, req: Request<Body>, format: Format, get: bool) -> Result<Response<Body>, ConnectError> {
        let (mut parts, body) = req.into_parts();
        let deadline = prepare_timeout(&mut parts.headers)?;
        let (message, encoding) = if get {
            let q = methods::GetQuery::parse(parts.uri.query().unwrap_or_default())?;
            parts.method = Method::POST;
            (q.message, q.compression)
        } else {
            if parts.headers.get("connect-protocol-version").is_some_and(|v| v != "1") {
                return Err(ConnectError::new(Code::InvalidArgument, "connect-protocol-version must be \"1\""));
            }
            let encoding = take_str(&mut parts.headers, &header::CONTENT_ENCODING)?;
            let body = http_body_util::Limited::new(body, self.max_body).collect();
            let body = match deadline {
                Some(d) => tokio::time::timeout_at(d, body).await.map_err(|_| ConnectError::deadline())?,
                None => body.await,
            };
            let body = body.map_err(|e| match e.is::<http_body_util::LengthLimitError>() {
                true => ConnectError::new(Code::ResourceExhausted, format!("message is larger than {} bytes", self.max_body)),
                false => ConnectError::new(Code::Cancelled, format!("reading the request: {e}")),
            })?.to_bytes();
            (body, encoding)
        };
        let encoding = encoding.filter(|e| e != "identity");
        if let Some(e) = &encoding { check_encoding(e)?; }
        let compressed = encoding.is_some() && !message.is_empty();
        parts.extensions.insert(IsConnectUnary);
        if get { parts.extensions.insert(ConnectGet(parts.uri.query().unwrap_or_default().to_owned())); }
        if let (Some(e), true) = (&encoding, compressed) {
            parts.headers.insert("grpc-encoding", HeaderValue::from_str(e).unwrap());
        }
        match parts.headers.remove(header::ACCEPT_ENCODING) {
            Some(v) => { parts.headers.insert("grpc-accept-encoding", v); }
            None => if let Some(e) = &encoding {
                parts.headers.insert("grpc-accept-encoding", HeaderValue::from_str(e).unwrap());
            }
        }
        if format == Format::Json && message.is_empty() {
            return Err(ConnectError::new(Code::InvalidArgument, "empty body is not a JSON message"));
        }
        into_grpc(&mut parts);
        let mut framed = BytesMut::with_capacity(5 + message.len());
        framed.put_u8(compressed as u8);
        framed.put_u32(message.len() as u32);
        framed.extend_from_slice(&message);
        let req = Request::from_parts(parts, Body::from(framed.freeze()));

        let call = format.scope(async move {
            let res = self.grpc.oneshot(req).await.unwrap_or_else(|e| match e {});
            let (parts, body) = with_trailers(res).into_parts();
            if parts.headers.contains_key("grpc-status") {
                return (parts, Bytes::new(), None); // trailers-only
            }
            match body.collect().await {
                Ok(c) => { let t = c.trailers().cloned(); (parts, c.to_bytes(), t) }
                Err(status) => { let mut t = HeaderMap::new(); let _ = status.add_header(&mut t); (parts, Bytes::new(), Some(t)) }
            }
        });
        let (mut parts, data, trailers) = match deadline {
            Some(d) => tokio::time::timeout_at(d, call).await.map_err(|_| ConnectError::deadline())?,
            None => call.await,
        };
        let mut trailers = trailers.unwrap_or_default();
        let ended = match trailers.contains_key("grpc-status") {
            true => Ended::take(&mut trailers),
            false => Ended::take(&mut parts.headers),
        };
        let encoding = parts.headers.remove("grpc-encoding");
        parts.headers.remove("grpc-accept-encoding");
        parts.version = Version::default();
        for (name, value) in &trailers {
            if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) { parts.headers.append(name, value.clone()); }
        }
        let body = match ended.error {
            None if data.len() < 5 => return Err(ConnectError::new(Code::Unimplemented, "no response message")),
            None => {
                if data[0] == 1 && let Some(e) = encoding { parts.headers.insert(header::CONTENT_ENCODING, e); }
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(match format {
                    Format::Json => "application/json", Format::Proto => "application/proto" }));
                data.slice(5..)
            }
            Some(e) => {
                parts.status = e.http_status();
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                e.to_json()
            }
        };
        if get { parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding")); }
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    /// application/grpc-web*: the same envelopes, the trailers are a last envelope in the body.
    async fn grpc_web(mut self, req: Request<Body>, format: Format, single: bool) -> Response<Body> {
        let (mut parts, mut body) = req.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE).cloned().unwrap();
        let text = content_type.as_bytes().starts_with(b"application/grpc-web-text");
        if text {
            let Ok(all) = http_body_util::Limited::new(body, self.max_body * 4 / 3 + 64).collect().await else {
                return empty(StatusCode::PAYLOAD_TOO_LARGE)
            };
            let Some(decoded) = body::decode_text(&all.to_bytes()) else { return empty(StatusCode::BAD_REQUEST) };
            body = Body::from(decoded);
        }
        let body = Body::new(body::Envelopes::new(body, self.max_body, single));
        into_grpc(&mut parts);
        let deadline = grpc_deadline(&parts.headers);
        let mut res = call_until(deadline, format.scope(self.grpc.call(Request::from_parts(parts, body)))).await;
        *res.version_mut() = Version::default();
        res.headers_mut().insert(header::CONTENT_TYPE, content_type);
        with_trailers(res).map(|b| Body::new(body::WebBody::new(b, text)))
    }

    /// application/connect+{json,proto}: envelopes pass through, the end of the body is ours.
    async fn stream(self, req: Request<Body>, format: Format) -> Response<Body> {
        let (mut parts, body) = req.into_parts();
        let head = || -> Result<Option<Instant>, ConnectError> {
            let deadline = prepare_timeout(&mut parts.headers)?;
            let encoding = take_str(&mut parts.headers, &HeaderName::from_static("connect-content-encoding"))?
                .filter(|e| e != "identity");
            let accept = parts.headers.remove("connect-accept-encoding");
            if let Some(e) = &encoding {
                check_encoding(e)?;
                parts.headers.insert("grpc-encoding", HeaderValue::from_str(e).unwrap());
            }
            if let Some(a) = accept.or_else(|| encoding.map(|e| HeaderValue::from_str(&e).unwrap())) {
                parts.headers.insert("grpc-accept-encoding", a);
            }
            into_grpc(&mut parts);
            Ok(deadline)
        };
        let content_type = HeaderValue::from_static(match format {
            Format::Json => "application/connect+json", Format::Proto => "application/connect+proto" });
        let mut head = head;
        let deadline = match head() {
            Ok(d) => d,
            Err(e) => return with_header(Response::new(Body::from(body::end_frame(Some(&e), &HeaderMap::new()))),
                header::CONTENT_TYPE, content_type.to_str().unwrap()),
        };
        let call = format.scope(self.grpc.oneshot(Request::from_parts(parts, body)));
        let res = match deadline {
            Some(d) => tokio::time::timeout_at(d, call).await,
            None => Ok(call.await),
        };
        let mut res = match res {
            Ok(res) => res.unwrap_or_else(|e| match e {}),
            Err(_) => return with_header(Response::new(Body::from(body::end_frame(Some(&ConnectError::deadline()), &HeaderMap::new()))),
                header::CONTENT_TYPE, content_type.to_str().unwrap()),
        };
        *res.version_mut() = Version::default();
        let headers = res.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        if let Some(e) = headers.remove("grpc-encoding") { headers.insert("connect-content-encoding", e); }
        headers.remove("grpc-accept-encoding");
        if headers.contains_key("grpc-status") {
            let ended = Ended::take(headers);
            return res.map(|_| Body::from(body::end_frame(ended.error.as_ref(), &HeaderMap::new())));
        }
        with_trailers(res).map(|b| Body::new(body::ConnectBody::new(b, deadline)))
    }
}

impl Service<Request<Body>> for Rpc {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
    fn call(&mut self, req: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.handle(req).await) })
    }
}

fn classify(req: &Request<Body>) -> Option<(Protocol, Format)> {
    if req.method() == Method::GET {
        let (mut format, mut message) = (None, false);
        for pair in req.uri().query()?.split('&') {
            match pair.split_once('=') {
                Some(("encoding", "json")) => format = Some(Format::Json),
                Some(("encoding", "proto")) => format = Some(Format::Proto),
                Some(("message", _)) => message = true,
                _ => {}
            }
        }
        return message.then_some((Protocol::Get, format?));
    }
    if req.method() != Method::POST { return None }
    let ct = req.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (ct, params) = ct.split_once(';').map_or((ct, ""), |(a, b)| (a, b));
    let params = params.trim();
    if let Some(cs) = params.strip_prefix("charset=")
        && !cs.trim_matches('"').eq_ignore_ascii_case("utf-8") { return None }
    Some(match ct.trim().to_ascii_lowercase().as_str() {
        "application/json" => (Protocol::Unary, Format::Json),
        "application/proto" => (Protocol::Unary, Format::Proto),
        "application/connect+json" => (Protocol::Stream, Format::Json),
        "application/connect+proto" => (Protocol::Stream, Format::Proto),
        "application/grpc" | "application/grpc+proto" => (Protocol::Grpc, Format::Proto),
        "application/grpc+json" => (Protocol::Grpc, Format::Json),
        "application/grpc-web" | "application/grpc-web+proto" | "application/grpc-web-text" | "application/grpc-web-text+proto"
            => (Protocol::GrpcWeb, Format::Proto),
        "application/grpc-web+json" => (Protocol::GrpcWeb, Format::Json),
        _ => return None,
    })
}

fn into_grpc(parts: &mut http::request::Parts) {
    parts.version = Version::HTTP_2;
    let h = &mut parts.headers;
    h.remove(header::CONTENT_LENGTH);
    h.remove(header::CONTENT_ENCODING);
    h.remove("connect-protocol-version");
    h.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    h.insert(header::TE, HeaderValue::from_static("trailers"));
}

/// connect-timeout-ms becomes grpc-timeout (so that handlers see one header) and a deadline.
fn prepare_timeout(h: &mut HeaderMap) -> Result<Option<Instant>, ConnectError> {
    let Some(v) = h.remove("connect-timeout-ms") else { return Ok(None) };
    let ms: u64 = v.to_str().ok().filter(|s| (1..=10).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| ConnectError::new(Code::InvalidArgument, "connect-timeout-ms must be an integer of at most 10 digits"))?;
    let grpc = if ms < 100_000_000 { format!("{ms}m") } else { format!("{}S", ms / 1000) };
    h.insert("grpc-timeout", HeaderValue::from_str(&grpc).unwrap());
    Ok(Some(Instant::now() + Duration::from_millis(ms)))
}

fn grpc_deadline(h: &HeaderMap) -> Option<Instant> {
    let (n, unit) = { let v = h.get("grpc-timeout")?.to_str().ok()?; v.split_at_checked(v.len().checked_sub(1)?)? };
    if n.is_empty() || n.len() > 8 || !n.bytes().all(|b| b.is_ascii_digit()) { return None }
    let n: u64 = n.parse().ok()?;
    let d = match unit {
        "H" => Duration::from_secs(n * 3600), "M" => Duration::from_secs(n * 60), "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n), "u" => Duration::from_micros(n), "n" => Duration::from_nanos(n), _ => return None };
    Instant::now().checked_add(d)
}

/// The deadline ends the call itself and then the response body.
async fn call_until<F>(deadline: Option<Instant>, call: F) -> Response<tonic::body::Body>
where F: Future<Output = Result<Response<tonic::body::Body>, Infallible>> {
    let Some(d) = deadline else { return call.await.unwrap_or_else(|e| match e {}) };
    match tokio::time::timeout_at(d, call).await {
        Ok(res) => res.unwrap_or_else(|e| match e {}).map(|b| tonic::body::Body::new(body::UntilBody::new(b, d))),
        Err(_) => tonic::Status::deadline_exceeded("deadline exceeded").into_http(),
    }
}

fn check_encoding(e: &str) -> Result<(), ConnectError> {
    match SUPPORTED_ENCODINGS.split(',').any(|s| s == e) {
        true => Ok(()),
        false => Err(ConnectError::new(Code::Unimplemented,
            format!("unknown compression {e:?}: supported encodings are {SUPPORTED_ENCODINGS}"))),
    }
}

fn take_str(h: &mut HeaderMap, name: &HeaderName) -> Result<Option<String>, ConnectError> {
    h.remove(name).map(|v| v.to_str().map(str::to_owned)
        .map_err(|_| ConnectError::new(Code::InvalidArgument, format!("{name} is not ASCII")))).transpose()
}

fn with_trailers(mut res: Response<tonic::body::Body>) -> Response<tonic::body::Body> {
    match res.extensions_mut().remove::<Trailers>() {
        Some(t) if !t.0.is_empty() => res.map(|b| tonic::body::Body::new(b.with_trailers(async { Some(Ok(t.0)) }))),
        _ => res,
    }
}
fn empty(status: StatusCode) -> Response<Body> {
    let mut r = Response::new(Body::empty()); *r.status_mut() = status; r
}
fn with_header(mut r: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    r.headers_mut().insert(name, HeaderValue::from_str(value).unwrap()); r
}
fn unsupported_media_type() -> Response<Body> {
    with_header(empty(StatusCode::UNSUPPORTED_MEDIA_TYPE), HeaderName::from_static("accept-post"),
        "application/grpc, application/grpc-web, application/proto, application/json, application/connect+proto, application/connect+json")
}
