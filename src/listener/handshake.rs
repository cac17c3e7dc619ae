//! Connections that never say what they want.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Type and flag of an HTTP/2 SETTINGS frame that acknowledges ours (RFC 9113, 6.5).
const SETTINGS_ACK: [u8; 2] = [4, 1];

/// A stream whose reads fail when the client does not begin in time: HTTP/1.1 with one byte that is not
/// HTTP/2's preface (hyper's own header timeout takes over), HTTP/2 with the whole preface and then, in the
/// same time again, an acknowledgement of our settings, which every live client sends at once. hyper itself
/// waits for both forever.
pub(super) struct Handshake<S> {
    stream: S,
    patience: Duration,
    state: State,
    timer: Pin<Box<Sleep>>,
}

enum State {
    /// Bytes of the preface seen.
    Preface(usize),
    /// Inside the frames in front of the acknowledgement.
    Frames(Frames),
    Done,
}

/// Walks over frames: 9 bytes of header, then a payload.
#[derive(Default)]
struct Frames {
    header: [u8; 9],
    filled: usize,
    payload: usize,
}

impl<S> Handshake<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, state: State::Preface(0), timer: Box::pin(sleep(patience)) }
    }

    fn saw(&mut self, data: &[u8]) {
        let rest = match &mut self.state {
            State::Done => return,
            State::Frames(_) => data,
            State::Preface(seen) => {
                let expected = &PREFACE[*seen..];
                let length = expected.len().min(data.len());
                if data[..length] != expected[..length] {
                    self.state = State::Done;
                    return;
                }
                *seen += length;
                if *seen < PREFACE.len() {
                    return;
                }
                self.state = State::Frames(Frames::default());
                self.timer.as_mut().reset(Instant::now() + self.patience);
                &data[length..]
            }
        };
        if let State::Frames(frames) = &mut self.state
            && frames.acknowledges(rest)
        {
            self.state = State::Done;
        }
    }
}

impl Frames {
    /// Walks on over `data`; true once the acknowledgement was in it.
    fn acknowledges(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            let skipped = self.payload.min(data.len());
            self.payload -= skipped;
            data = &data[skipped..];
            let taken = (self.header.len() - self.filled).min(data.len());
            if self.payload > 0 || taken == 0 {
                continue;
            }
            self.header[self.filled..self.filled + taken].copy_from_slice(&data[..taken]);
            self.filled += taken;
            data = &data[taken..];
            if self.filled == self.header.len() {
                let [a, b, c, kind, flags, ..] = self.header;
                if [kind, flags] == SETTINGS_ACK {
                    return true;
                }
                self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.filled = 0;
            }
        }
        false
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Handshake<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if matches!(this.state, State::Done) {
            return read;
        }
        if read.is_ready() {
            this.saw(&buffer.filled()[before..]);
            return read;
        }
        this.timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Handshake<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_acknowledgement_however_it_is_cut() {
        let mut frames = vec![0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        frames.extend([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert!(!Frames::default().acknowledges(&frames));
        frames.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]);
        for size in 1..=frames.len() {
            let mut walk = Frames::default();
            assert!(frames.chunks(size).any(|chunk| walk.acknowledges(chunk)), "in pieces of {size}");
        }
    }
}
