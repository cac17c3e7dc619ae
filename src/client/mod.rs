//! A typed client of the API for our own commands: Connect unary calls over HTTP, protobuf both ways.
//!
//! ```text
//! cli, agent  ->  Client::call(&request)  ->  POST {server}/{service}/{Method}  ->  answer | ClientError
//! ```
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use prost::Message;
use zeroize::Zeroizing;

mod address;
mod call;
mod error;
mod page;
mod rest;
mod stream;
mod token;

pub use tonic::Code;

pub use self::{
    address::Server,
    call::Call,
    error::{ApiError, ClientError},
    page::Paged,
    stream::{Messages, StreamCall},
    token::Token,
};

/// The longest answer that is read, in bytes; a runner's whole configuration is far below.
const MAX_ANSWER: usize = 64 << 20;
/// How long one call may take: more than the server allows itself.
const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/proto");

/// One server and the token to show it. Cheap to keep, connections are reused.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    server: Server,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of `server`; without a token only [`ExchangeToken`](crate::pb::gitpod::v1) works. Nothing
    /// is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] if TLS cannot be set up, as without any trusted root certificate.
    pub fn new(server: Server, token: Option<&Token>) -> Result<Self, ClientError> {
        // A redirect would carry token and secrets to a place nobody named.
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("sealink/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if server.is_local() {
            http = http.no_proxy();
        }
        if !server.is_tls() {
            // Spares the work of loading the system's root certificates.
            http = http.tls_certs_only([]);
        }
        let http =
            http.build().map_err(|source| ClientError::Unusable { cause: error::root_cause(&source) })?;
        Ok(Self { http, server, authorization: token.map(Token::header) })
    }

    /// The server this client talks to.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Makes one call.
    ///
    /// # Errors
    /// Any [`ClientError`]; what the server itself says is [`ClientError::Api`].
    pub async fn call<C: Call>(&self, request: &C) -> Result<C::Response, ClientError> {
        let body = Bytes::from_owner(Zeroizing::new(request.encode_to_vec()));
        let mut post = self
            .http
            .post(self.server.at(C::PATH))
            .header(CONTENT_TYPE, PROTOBUF)
            .header("connect-protocol-version", "1")
            .header("connect-timeout-ms", TIMEOUT.as_millis().to_string())
            .body(body);
        if let Some(authorization) = &self.authorization {
            post = post.header(AUTHORIZATION, authorization);
        }
        let answer = post.send().await.map_err(|source| self.failed(&source))?;
        let (status, protobuf) = (answer.status(), answer.headers().get(CONTENT_TYPE) == Some(&PROTOBUF));
        let headers = answer.headers().clone();
        let body = self.read(answer).await?;
        if status.is_success() && protobuf {
            return C::Response::decode(body).map_err(|_| self.foreign(status));
        }
        Err(self.refused(status, &headers, &body))
    }

    /// What an answer means that is none of ours.
    fn refused(&self, status: http::StatusCode, headers: &HeaderMap, body: &[u8]) -> ClientError {
        let refusal = ApiError::from_json(body).map(|refusal| refusal.with_headers(headers));
        refusal.map_or_else(|| self.foreign(status), ClientError::Api)
    }

    /// Makes one call per page until there are no more, and answers all items in order.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn list<P: Paged>(&self, mut request: P) -> Result<Vec<P::Item>, ClientError> {
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            request.turn_to(token.clone());
            let (page, next) = P::open(self.call(&request).await?);
            items.extend(page);
            if next.is_empty() {
                return Ok(items);
            }
            if next == token {
                return Err(self.foreign(http::StatusCode::OK));
            }
            token = next;
        }
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|source| self.failed(&source))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.foreign(answer.status()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn failed(&self, source: &reqwest::Error) -> ClientError {
        let server = self.server.to_string();
        if source.is_timeout() && !source.is_connect() {
            return ClientError::TimedOut { server };
        }
        ClientError::Unreachable { server, cause: error::root_cause(source) }
    }

    fn foreign(&self, status: http::StatusCode) -> ClientError {
        ClientError::Protocol { server: self.server.to_string(), status: status.as_u16() }
    }
}
