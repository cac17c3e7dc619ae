//! The 5-byte envelope that gRPC, gRPC-Web and Connect streams share: a flag byte and a big-endian length.
use bytes::{Buf, Bytes, BytesMut};
use tonic::Status;

use super::compression;

/// Bytes in front of each message.
pub(super) const HEADER: usize = 5;
/// What gzip may add to a message that does not shrink.
const GZIP_OVERHEAD: usize = 1024;

/// Cuts a request body into messages, without reading itself.
#[derive(Debug)]
pub(super) struct Envelopes {
    buffer: BytesMut,
    limit: usize,
    gzip: bool,
}

impl Envelopes {
    /// `limit`: bytes of a message; `gzip`: whether messages may be compressed.
    pub(super) fn new(limit: usize, gzip: bool) -> Self {
        Self { buffer: BytesMut::new(), limit, gzip }
    }

    /// Adds what arrived.
    pub(super) fn push(&mut self, data: Bytes) {
        if !self.buffer.is_empty() {
            return self.buffer.extend_from_slice(&data);
        }
        match data.try_into_mut() {
            Ok(data) => self.buffer = data,
            Err(shared) => self.buffer.extend_from_slice(&shared),
        }
    }

    /// The next whole message as an uncompressed envelope, if it has arrived.
    ///
    /// # Errors
    /// As soon as the header tells: `RESOURCE_EXHAUSTED` for a message that is too large, INTERNAL for an
    /// unknown flag or a compressed message without an encoding; `INVALID_ARGUMENT` for broken gzip.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((&[flag, a, b, c, d], _)) = self.buffer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let compressed = match flag {
            0 => false,
            1 if self.gzip => true,
            1 => return Err(Status::internal("compressed message without an encoding")),
            _ => return Err(Status::internal("unknown envelope flag")),
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > self.limit.saturating_add(if compressed { GZIP_OVERHEAD } else { 0 }) {
            return Err(too_large(self.limit));
        }
        if self.buffer.len() < HEADER + length {
            return Ok(None);
        }
        let mut envelope = self.buffer.split_to(HEADER + length).freeze();
        if !compressed {
            return Ok(Some(envelope));
        }
        envelope.advance(HEADER);
        // An empty message may carry the flag without being a gzip stream.
        let inflated =
            if envelope.is_empty() { empty() } else { compression::inflate(&envelope, self.limit)? };
        Ok(Some(inflated))
    }

    /// Nothing of a next message has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// The answer to a message above the limit. Waiting does not help, so there is no `RetryInfo`.
pub(super) fn too_large(limit: usize) -> Status {
    Status::resource_exhausted(format!("message is larger than {limit} bytes"))
}

/// The answer to a body that ends too early.
pub(super) fn truncated() -> Status {
    Status::invalid_argument("the body ends inside a message")
}

/// Writes the header of an uncompressed message whose first [`HEADER`] bytes are still free.
pub(super) fn seal(mut envelope: BytesMut) -> Bytes {
    let length = u32::try_from(envelope.len() - HEADER).unwrap_or(u32::MAX);
    envelope[0] = 0;
    envelope[1..HEADER].copy_from_slice(&length.to_be_bytes());
    envelope.freeze()
}

/// An envelope around nothing.
pub(super) fn empty() -> Bytes {
    Bytes::from_static(&[0; HEADER])
}

/// One envelope with a flag.
pub(super) fn wrap(flag: u8, message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER + message.len());
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(message);
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    out[0] = flag;
    out[1..HEADER].copy_from_slice(&length.to_be_bytes());
    out.freeze()
}
