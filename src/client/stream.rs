//! Answers that come one by one: Connect server streaming, protobuf in envelopes of five bytes and a message.
use std::{marker::PhantomData, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use prost::Message;

use super::{ApiError, Client, ClientError};

const CONNECT_PROTO: HeaderValue = HeaderValue::from_static("application/connect+proto");
const ENVELOPE: usize = 5;
/// The flag of the last envelope, which carries JSON: an error, or nothing.
const END: u8 = 2;
/// The longest message that is read, in bytes.
const MAX_MESSAGE: usize = 64 << 20;
/// The server says something every 20 s; after three of them the connection is dead.
const IDLE: Duration = Duration::from_secs(65);
/// As far as a timer goes without trouble: a stream has no end of its own.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// A request whose answer is a stream.
pub trait StreamCall: Message {
    /// `/{package}.{Service}/{Method}`.
    const PATH: &'static str;
    /// One message of the answer.
    type Response: Message + Default;
}

/// The messages of one stream, in order.
#[derive(Debug)]
pub struct Messages<A> {
    answer: reqwest::Response,
    buffer: BytesMut,
    idle: Duration,
    server: String,
    of: PhantomData<A>,
}

impl Client {
    /// Opens a stream. It lasts until the server ends it, the connection breaks, or nothing arrives for 65 s.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn stream<C: StreamCall>(&self, request: &C) -> Result<Messages<C::Response>, ClientError> {
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let body = [&[0], &length.to_be_bytes()[..], &message].concat();
        let mut post = self
            .http
            .post(self.server.at(C::PATH))
            .timeout(FOR_EVER)
            .header(CONTENT_TYPE, CONNECT_PROTO)
            .header("connect-protocol-version", "1")
            .body(body);
        if let Some(authorization) = &self.authorization {
            post = post.header(AUTHORIZATION, authorization);
        }
        let sent = tokio::time::timeout(super::TIMEOUT, post.send()).await;
        let server = self.server.to_string();
        let answer = sent
            .map_err(|_| ClientError::TimedOut { server: server.clone() })?
            .map_err(|source| self.failed(&source))?;
        let status = answer.status();
        if status.is_success() && answer.headers().get(CONTENT_TYPE) == Some(&CONNECT_PROTO) {
            return Ok(Messages { answer, buffer: BytesMut::new(), idle: IDLE, server, of: PhantomData });
        }
        let headers = answer.headers().clone();
        let body = self.read(answer).await?;
        Err(self.refused(status, &headers, &body))
    }
}

impl<A: Message + Default> Messages<A> {
    /// The next message; `None` where the server ends the stream without an error.
    ///
    /// # Errors
    /// As [`Client::call`]; [`ClientError::TimedOut`] if nothing arrives for 65 s.
    pub async fn next(&mut self) -> Result<Option<A>, ClientError> {
        loop {
            if let Some((flags, message)) = self.envelope()? {
                if flags & END != 0 {
                    return self.ended(&message).map_or(Ok(None), Err);
                }
                return A::decode(message).map(Some).map_err(|_| self.foreign());
            }
            let chunk = tokio::time::timeout(self.idle, self.answer.chunk()).await;
            let chunk = chunk.map_err(|_| ClientError::TimedOut { server: self.server.clone() })?;
            let chunk = chunk.map_err(|source| ClientError::Unreachable {
                server: self.server.clone(),
                cause: super::error::root_cause(&source),
            })?;
            let Some(chunk) = chunk else {
                // A proxy between us gave up.
                let cause = "the connection was closed".to_owned();
                return Err(ClientError::Unreachable { server: self.server.clone(), cause });
            };
            self.buffer.extend_from_slice(&chunk);
        }
    }

    fn envelope(&mut self) -> Result<Option<(u8, Bytes)>, ClientError> {
        let Some((head, _)) = self.buffer.split_first_chunk::<ENVELOPE>() else { return Ok(None) };
        let [flags, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        // Bit 0 is compression, which was not asked for.
        if length > MAX_MESSAGE || flags & !END != 0 {
            return Err(self.foreign());
        }
        if self.buffer.len() < ENVELOPE + length {
            return Ok(None);
        }
        self.buffer.advance(ENVELOPE);
        Ok(Some((flags, self.buffer.split_to(length).freeze())))
    }

    fn ended(&self, json: &[u8]) -> Option<ClientError> {
        #[derive(serde::Deserialize)]
        struct End {
            error: Option<serde_json::Value>,
        }
        let Ok(End { error }) = serde_json::from_slice(json) else { return Some(self.foreign()) };
        let error = error?.to_string();
        Some(ApiError::from_json(error.as_bytes()).map_or_else(|| self.foreign(), ClientError::Api))
    }

    fn foreign(&self) -> ClientError {
        ClientError::Protocol { server: self.server.clone(), status: self.answer.status().as_u16() }
    }
}
