//! Reading requests: framing and limits, before anybody looks into a message.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::{
    compression::inflate,
    deadline::exceeded,
    envelope::{Envelopes, HEADER, seal, too_large, truncated},
};

/// Bytes of memory a `content-length` gets in advance.
const BELIEVED: usize = 8 * 1024;

/// A request body with the limits for reading it.
pub(super) struct Reader {
    pub(super) body: Body,
    /// Bytes of one message.
    pub(super) limit: usize,
    /// How long nothing may arrive.
    pub(super) idle: Duration,
    /// When the message must be complete.
    pub(super) deadline: Option<Instant>,
    /// Messages may be (Connect unary: is) compressed with gzip.
    pub(super) gzip: bool,
}

impl Reader {
    /// The one message of a body that is nothing else, as an envelope.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` above the limit, `DEADLINE_EXCEEDED` when it does not arrive, `INVALID_ARGUMENT` for
    /// broken gzip.
    pub(super) async fn bare(mut self) -> Result<Bytes, Status> {
        let all = self.collect(self.limit).await?;
        if self.gzip && all.len() > HEADER { inflate(&all[HEADER..], self.limit) } else { Ok(seal(all)) }
    }

    /// The only message of an enveloped body, as an uncompressed envelope.
    ///
    /// # Errors
    /// As [`bare`](Self::bare) and [`Envelopes::next`]; UNIMPLEMENTED for no message or more than one.
    pub(super) async fn single(mut self) -> Result<Bytes, Status> {
        let mut envelopes = Envelopes::new(self.limit, self.gzip);
        let message = loop {
            if let Some(message) = envelopes.next()? {
                break message;
            }
            match self.data().await? {
                Some(data) => envelopes.push(data),
                None if envelopes.is_empty() => return Err(Status::unimplemented("no request message")),
                None => return Err(truncated()),
            }
        };
        if !envelopes.is_empty() || self.data().await?.is_some() {
            return Err(Status::unimplemented("more than one request message"));
        }
        Ok(message)
    }

    /// All messages as they come, as uncompressed envelopes.
    pub(super) fn stream(self) -> Body {
        let first = self.deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        let envelopes = Envelopes::new(self.limit, self.gzip);
        Body::new(Messages { body: Some(self.body), envelopes, first })
    }

    /// The whole body behind room for an envelope's header.
    pub(super) async fn collect(&mut self, limit: usize) -> Result<BytesMut, Status> {
        let promised = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        if promised > limit {
            return Err(too_large(self.limit));
        }
        let mut all = BytesMut::with_capacity(HEADER + promised.min(BELIEVED));
        all.extend_from_slice(&[0; HEADER]);
        while let Some(data) = self.data().await? {
            if all.len() - HEADER + data.len() > limit {
                return Err(too_large(self.limit));
            }
            all.extend_from_slice(&data);
        }
        Ok(all)
    }

    async fn data(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Err(exceeded());
            }
            let idle = now + self.idle;
            let limit = self.deadline.map_or(idle, |deadline| deadline.min(idle));
            match tokio::time::timeout_at(limit, self.body.frame()).await {
                Err(_) => return Err(Status::deadline_exceeded("the request body does not arrive")),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(Status::cancelled("the request body broke off")),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
            }
        }
    }
}

/// A request body of many messages, each checked and uncompressed.
struct Messages {
    body: Option<Body>,
    envelopes: Envelopes,
    /// Until the first message is there.
    first: Option<Pin<Box<Sleep>>>,
}

impl Messages {
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        while let Some(body) = &mut self.body {
            if let Some(message) = self.envelopes.next().transpose() {
                self.first = None;
                return Poll::Ready(Some(message));
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.envelopes.push(frame.into_data().unwrap_or_default()),
                Poll::Ready(Some(Err(_))) => {
                    return Poll::Ready(Some(Err(Status::cancelled("the request body broke off"))));
                }
                Poll::Ready(None) => {
                    self.body = None;
                    return Poll::Ready((!self.envelopes.is_empty()).then(|| Err(truncated())));
                }
                Poll::Pending => {
                    let Some(first) = &mut self.first else { return Poll::Pending };
                    ready!(first.as_mut().poll(cx));
                    return Poll::Ready(Some(Err(exceeded())));
                }
            }
        }
        Poll::Ready(None)
    }
}

impl HttpBody for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let step = ready!(self.step(cx));
        if matches!(step, Some(Err(_))) {
            self.body = None;
        }
        Poll::Ready(step.map(|result| result.map(Frame::data)))
    }
}
