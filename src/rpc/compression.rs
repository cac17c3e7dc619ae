//! gzip in and out; `identity` otherwise.
use std::io::{Read, Write};

use bytes::{Bytes, BytesMut};
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;

use super::envelope::{HEADER, seal, too_large};

/// What a server that does not know an encoding must answer with, and what it understands.
pub(super) const SUPPORTED: &str = "gzip,identity";
/// Smaller messages cost more to compress than they save.
const WORTH_IT: usize = 1024;
/// Up to this limit a message is unpacked at once: what it makes us hold for nothing is not worth unpacking it twice.
const UNCOUNTED: usize = 64 * 1024;

/// Takes the request's encoding out of its headers: true for gzip, false for none.
///
/// # Errors
/// UNIMPLEMENTED for any other encoding.
pub(super) fn take_encoding(headers: &mut HeaderMap, name: &HeaderName) -> Result<bool, Status> {
    headers.remove(name).map_or(Ok(false), |value| is_gzip(value.as_bytes()))
}

/// True for gzip, false for identity or nothing.
///
/// # Errors
/// UNIMPLEMENTED for any other encoding, with the list of those that are.
pub(super) fn is_gzip(encoding: &[u8]) -> Result<bool, Status> {
    match encoding.trim_ascii() {
        name if name.eq_ignore_ascii_case(b"gzip") => Ok(true),
        b"" => Ok(false),
        name if name.eq_ignore_ascii_case(b"identity") => Ok(false),
        _ => {
            let mut status = Status::unimplemented(format!("unknown compression: supported are {SUPPORTED}"));
            let supported = tonic::metadata::MetadataValue::from_static(SUPPORTED);
            status.metadata_mut().insert("grpc-accept-encoding", supported);
            Err(status)
        }
    }
}

/// Takes the list of encodings the client understands; true if gzip is one, with a weight above 0.
pub(super) fn take_accepts_gzip(headers: &mut HeaderMap, name: &HeaderName) -> bool {
    match headers.entry(name) {
        http::header::Entry::Occupied(entry) => {
            let (_, mut values) = entry.remove_entry_mult();
            values.any(|value| lists_gzip(&value))
        }
        http::header::Entry::Vacant(_) => false,
    }
}

fn lists_gzip(value: &HeaderValue) -> bool {
    value.to_str().unwrap_or_default().split(',').any(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

/// Inflates one message into an envelope. Never holds more than `limit` bytes and one, and of a message beyond a
/// `limit` that is large nothing at all.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` beyond `limit`, `INVALID_ARGUMENT` for what is not gzip.
pub(super) fn inflate(compressed: &[u8], limit: usize) -> Result<Bytes, Status> {
    if limit > UNCOUNTED {
        count(compressed, limit)?;
    }
    // Never grown beyond: at the limit and one it is full, and growing would double it.
    let expected = compressed.len().saturating_mul(4).min(limit.saturating_add(1));
    let mut envelope = Vec::with_capacity(HEADER + expected);
    envelope.resize(HEADER, 0);
    let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(compressed)
        .take(ceiling)
        .read_to_end(&mut envelope)
        .map_err(|_| Status::invalid_argument("invalid gzip data"))?;
    if envelope.len() - HEADER > limit {
        return Err(too_large(limit));
    }
    Ok(seal(BytesMut::from(Bytes::from(envelope))))
}

/// Unpacks into nothing, to know the size first: every thread's allocator would keep the memory of a bomb for a while.
fn count(compressed: &[u8], limit: usize) -> Result<(), Status> {
    let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = MultiGzDecoder::new(compressed).take(ceiling);
    match std::io::copy(&mut inflated, &mut std::io::sink()) {
        Ok(size) if size < ceiling => Ok(()),
        Ok(_) => Err(too_large(limit)),
        Err(_) => Err(Status::invalid_argument("invalid gzip data")),
    }
}

/// Compresses a message that is large enough to be worth it.
pub(super) fn deflate(message: &[u8]) -> Option<Vec<u8>> {
    if message.len() < WORTH_IT {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 2), Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide() {
        let listed = |text: &'static str| lists_gzip(&HeaderValue::from_static(text));
        assert!(listed("gzip") && listed("identity, GZIP;q=0.5") && listed("br , gzip ;q=1.0"));
        assert!(
            !listed("gzip;q=0")
                && !listed("gzip; q=0.000")
                && !listed("br")
                && !listed("")
                && !listed("x-gzip")
        );
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert_eq!(inflate(&bomb, 1024).unwrap_err().code(), tonic::Code::ResourceExhausted);
        assert_eq!(inflate(&bomb, 1 << 20).unwrap().len(), (1 << 20) + HEADER);
        assert_eq!(inflate(&bomb, (1 << 20) - 1).unwrap_err().code(), tonic::Code::ResourceExhausted);
        assert_eq!(inflate(&bomb[..500], 1 << 20).unwrap_err().code(), tonic::Code::InvalidArgument);
        assert_eq!(inflate(b"no gzip", 1024).unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
