//! Reading on after an early answer.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// How much of an unread body is thrown away before the connection is closed instead.
const MOST: usize = 8 << 20;
/// How long in all, and how long nothing may come.
const TOTAL: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_millis(500);

/// An HTTP/1.1 request body. Dropped half-read, it would close the connection under the client that is still
/// sending, and the client would never see the answer; so what is left is read, within limits.
pub(super) struct Drain(Option<Incoming>);

impl Drain {
    /// HTTP/2 says "stop sending" on its own.
    pub(super) fn wrap(body: Incoming, version: Version) -> Body {
        if version >= Version::HTTP_2 || body.is_end_stream() {
            Body::new(body)
        } else {
            Body::new(Self(Some(body)))
        }
    }
}

impl HttpBody for Drain {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        let Some(body) = self.0.take().filter(|body| !body.is_end_stream()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(TOTAL, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut left = MOST;
    while let Ok(Some(Ok(frame))) = timeout(IDLE, body.frame()).await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
