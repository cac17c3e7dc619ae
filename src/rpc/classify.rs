//! Which protocol a request speaks, or why it is refused before anything is read.
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use tonic::{Code, Status};

use super::{
    codec::Format,
    ending, error,
    get::GetQuery,
    methods::{Kind, Method},
};

/// A protocol as it is spoken on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    /// gRPC-Web; `text` is its base64 form.
    Web {
        text: bool,
    },
    /// Connect, one bare message each way, by POST.
    Unary,
    /// The same, the request in the query of a GET.
    Get,
    /// Connect, enveloped messages.
    Stream,
}

/// A protocol with the encoding of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    pub(super) protocol: Protocol,
    pub(super) format: Format,
}

const ACCEPT_POST: &str = "application/json, application/proto, application/connect+json, \
     application/connect+proto, application/grpc, application/grpc-web";

impl Wire {
    /// The header that names the request's compression.
    pub(super) fn encoding_header(self) -> HeaderName {
        match self.protocol {
            Protocol::Grpc | Protocol::Web { .. } => HeaderName::from_static("grpc-encoding"),
            Protocol::Stream => HeaderName::from_static("connect-content-encoding"),
            Protocol::Unary | Protocol::Get => header::CONTENT_ENCODING,
        }
    }

    /// The header that lists the compressions the client understands.
    pub(super) fn accept_header(self) -> HeaderName {
        match self.protocol {
            Protocol::Grpc | Protocol::Web { .. } => HeaderName::from_static("grpc-accept-encoding"),
            Protocol::Stream => HeaderName::from_static("connect-accept-encoding"),
            Protocol::Unary | Protocol::Get => header::ACCEPT_ENCODING,
        }
    }

    /// The content type of an answer.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match (self.protocol, self.format) {
            (Protocol::Grpc, Format::Proto) => "application/grpc",
            (Protocol::Grpc, Format::Json) => "application/grpc+json",
            (Protocol::Web { text: false }, Format::Proto) => "application/grpc-web+proto",
            (Protocol::Web { text: true }, Format::Proto) => "application/grpc-web-text+proto",
            (Protocol::Web { text: false }, Format::Json) => "application/grpc-web+json",
            (Protocol::Web { text: true }, Format::Json) => "application/grpc-web-text+json",
            (Protocol::Unary | Protocol::Get, Format::Proto) => "application/proto",
            (Protocol::Unary | Protocol::Get, Format::Json) => "application/json",
            (Protocol::Stream, Format::Proto) => "application/connect+proto",
            (Protocol::Stream, Format::Json) => "application/connect+json",
        })
    }

    /// A whole answer that says only why there is none.
    pub(super) fn refuse(self, status: &Status) -> Response<Body> {
        let mut response = match self.protocol {
            Protocol::Unary | Protocol::Get => return error::respond(status),
            Protocol::Stream => Response::new(Body::from(ending::connect(Some(status), &HeaderMap::new()))),
            Protocol::Grpc | Protocol::Web { .. } => {
                let mut response = Response::new(Body::empty());
                if status.add_header(response.headers_mut()).is_err() {
                    response.headers_mut().insert("grpc-status", HeaderValue::from(Code::Internal as i32));
                }
                response
            }
        };
        response.headers_mut().insert(header::CONTENT_TYPE, self.content_type());
        response
    }

    fn fits(self, method: &Method) -> bool {
        let kind = match self.protocol {
            Protocol::Unary | Protocol::Get => method.kind == Kind::Unary,
            Protocol::Stream => method.kind != Kind::Unary,
            Protocol::Grpc | Protocol::Web { .. } => true,
        };
        kind && (self.format == Format::Proto || method.json)
    }
}

/// Why a request for a known method is no call of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotACall {
    /// Only these HTTP methods.
    Allow(&'static str),
    /// No protocol of this method has that content type.
    MediaType,
    /// gRPC needs the trailers of HTTP/2.
    HttpVersion,
}

impl NotACall {
    /// The whole answer: outside of every protocol, so a bare HTTP status.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let (status, hint) = match self {
            Self::Allow(methods) => (StatusCode::METHOD_NOT_ALLOWED, Some((header::ALLOW, methods))),
            Self::MediaType => {
                let accept_post = HeaderName::from_static("accept-post");
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some((accept_post, ACCEPT_POST)))
            }
            Self::HttpVersion => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, None),
        };
        *response.status_mut() = status;
        if let Some((name, value)) = hint {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Reads the protocol off method, content type and query.
pub(super) fn classify<B>(request: &Request<B>, method: &Method) -> Result<Wire, NotACall> {
    let readable = method.no_side_effects && method.kind == Kind::Unary;
    let wire = match *request.method() {
        http::Method::POST => from_content_type(request.headers()),
        http::Method::GET if readable => {
            let query = request.uri().query().unwrap_or_default();
            GetQuery::format(query).map(|format| Wire { protocol: Protocol::Get, format })
        }
        _ => return Err(NotACall::Allow(if readable { "GET, POST" } else { "POST" })),
    };
    let wire = wire.filter(|wire| wire.fits(method)).ok_or(NotACall::MediaType)?;
    if wire.protocol == Protocol::Grpc && request.version() < Version::HTTP_2 {
        return Err(NotACall::HttpVersion);
    }
    Ok(wire)
}

/// The answer to a path that is no method, in the caller's protocol: UNIMPLEMENTED, and 404 where it is HTTP.
pub(super) fn unknown_method(headers: &HeaderMap) -> Response<Body> {
    let status = Status::unimplemented("unknown method");
    match from_content_type(headers) {
        Some(wire) if matches!(wire.protocol, Protocol::Grpc | Protocol::Web { .. }) => wire.refuse(&status),
        _ => error::respond_with(StatusCode::NOT_FOUND, &status),
    }
}

fn from_content_type(headers: &HeaderMap) -> Option<Wire> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (media_type, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !parameters_fit(parameters) {
        return None;
    }
    let media_type = media_type.trim();
    from_media_type(media_type).or_else(|| from_media_type(&media_type.to_ascii_lowercase()))
}

fn from_media_type(media_type: &str) -> Option<Wire> {
    let (protocol, format) = match media_type {
        "application/json" => (Protocol::Unary, Format::Json),
        "application/proto" => (Protocol::Unary, Format::Proto),
        "application/connect+json" => (Protocol::Stream, Format::Json),
        "application/connect+proto" => (Protocol::Stream, Format::Proto),
        "application/grpc" | "application/grpc+proto" => (Protocol::Grpc, Format::Proto),
        "application/grpc+json" => (Protocol::Grpc, Format::Json),
        "application/grpc-web" | "application/grpc-web+proto" => {
            (Protocol::Web { text: false }, Format::Proto)
        }
        "application/grpc-web+json" => (Protocol::Web { text: false }, Format::Json),
        "application/grpc-web-text" | "application/grpc-web-text+proto" => {
            (Protocol::Web { text: true }, Format::Proto)
        }
        _ => return None,
    };
    Some(Wire { protocol, format })
}

/// `charset=utf-8` is the only character set there is; other parameters mean nothing.
fn parameters_fit(parameters: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.trim().split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}
