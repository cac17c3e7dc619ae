//! gRPC-Web's text form: base64 around the same bytes.
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use tonic::Status;

/// Decodes one or more base64 texts, each with its own padding.
///
/// # Errors
/// `INVALID_ARGUMENT` for anything else.
pub(super) fn decode_text(text: &[u8]) -> Result<Bytes, Status> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for quad in text.chunks(4) {
        STANDARD
            .decode_vec(quad, &mut out)
            .map_err(|_| Status::invalid_argument("the body is not base64"))?;
    }
    Ok(out.into())
}

/// Encodes one piece of an answer, with its own padding.
pub(super) fn encode_text(data: &[u8]) -> Bytes {
    STANDARD.encode(data).into()
}

/// How long the text of `bytes` bytes may be.
pub(super) fn text_limit(bytes: usize) -> usize {
    bytes.saturating_add(64).saturating_mul(4) / 3
}
