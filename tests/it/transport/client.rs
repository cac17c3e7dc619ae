//! The client: one connection per call, nothing between the test and the bytes.
use std::{io::Write, net::SocketAddr};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::Watch;

/// One request to be.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    http2: bool,
}

/// The answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new(), http2: false }
    }

    /// Connect unary.
    pub(crate) fn connect(method: &str, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, &path(method)).header("content-type", content_type).body(body)
    }

    /// gRPC on HTTP/2.
    pub(crate) fn grpc(method: &str, body: impl Into<Bytes>) -> Self {
        Self::connect(method, "application/grpc", body).header("te", "trailers").http2()
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    pub(crate) async fn send(self, to: SocketAddr) -> Answer {
        let authority = if self.http2 { format!("http://{to}{}", self.path) } else { self.path };
        let mut request =
            Request::builder().method(self.method).uri(authority).header("host", to.to_string());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let path = request.uri_ref().expect("a valid URI").path().to_owned();
        let request = request.body(Full::new(self.body.clone())).expect("a valid request");
        let stream = TcpStream::connect(to).await.expect("connect");
        // A request is several small frames: none waits for the answer to the one before.
        stream.set_nodelay(true).expect("no delay");
        let stream = TokioIo::new(stream);
        let response = if self.http2 {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
            tokio::spawn(connection);
            sender.send_request(request).await.expect("an answer")
        } else {
            let (mut sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            sender.send_request(request).await.expect("an answer")
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body");
        let trailers = body.trailers().cloned().unwrap_or_default();
        let body = body.to_bytes();
        let answer = [format!("{:?}{trailers:?}", parts.headers).as_bytes(), &body].concat();
        Watch::by_hand(to, &path, &self.body, &answer);
        Answer { status: parts.status, headers: parts.headers, trailers, body }
    }
}

impl Answer {
    /// Code and text of a gRPC answer.
    pub(crate) fn grpc(&self) -> (Code, String) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let headers = if self.trailers.is_empty() { &self.headers } else { &self.trailers };
        let status = tonic::Status::from_header_map(headers).expect("a gRPC status");
        (status.code(), status.message().to_owned())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// HTTP status, code and text of a Connect error.
    pub(crate) fn connect(&self) -> (u16, String, String) {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), text("code"), text("message"))
    }

    /// The message the echoing methods were called with.
    pub(crate) fn echoed(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let json = self.json();
        serde_json::from_str(json["id"].as_str().expect("an id")).expect("the message as JSON")
    }

    /// The flag and JSON of the last envelope of a Connect stream.
    pub(crate) fn end(&self) -> Value {
        let mut rest = &self.body[..];
        while let Some((header, body)) = rest.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
            if header[0] == 2 {
                return serde_json::from_slice(&body[..length]).expect("an end");
            }
            rest = &body[length..];
        }
        panic!("no end: {self:?}")
    }

    /// The trailers inside a gRPC-Web body, or the headers if there is none.
    pub(crate) fn web_status(&self) -> String {
        if let Some(status) = self.headers.get("grpc-status") {
            return status.to_str().expect("ASCII").to_owned();
        }
        let text = String::from_utf8_lossy(&self.body);
        let at = text.find("grpc-status: ").expect("a status");
        text[at + 13..].split("\r\n").next().unwrap_or_default().to_owned()
    }
}

/// The short code of every answer that is no success, whatever the protocol.
pub(crate) fn rpc_error(answer: &Answer) -> String {
    let content_type = answer.headers["content-type"].to_str().expect("ASCII");
    if content_type.starts_with("application/grpc-web") {
        answer.web_status()
    } else if content_type.starts_with("application/grpc") {
        (answer.grpc().0 as i32).to_string()
    } else if content_type.starts_with("application/connect") {
        answer.end()["error"]["code"].as_str().unwrap_or("ok").to_owned()
    } else {
        let (http, code, _) = answer.connect();
        format!("{http} {code}")
    }
}

fn path(method: &str) -> String {
    match method {
        "Check" | "Watch" => format!("/grpc.health.v1.Health/{method}"),
        "BeginKeyRegistration" => format!("/sealink.v1.RunnerKeyService/{method}"),
        _ if method.starts_with('/') => method.to_owned(),
        _ => format!("/gitpod.v1.RunnerConfigurationService/{method}"),
    }
}

pub(crate) fn envelope(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a small message");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("in memory");
    encoder.finish().expect("in memory")
}
