//! Where a sealed secret belongs: the runner, the object, the field, and the destination it may be sent to.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::id::RunnerId;
pub use crate::domain::secret_field::SecretField as Field;

/// The domain separator of [`Place::ctx`].
const CONTEXT_LABEL: &[u8] = b"sealink/secret/v1\0";

/// The place a secret is sealed for. An agent that finds it elsewhere, or finds the destination changed,
/// refuses to open it (RSA format only).
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The runner that may open it.
    pub runner: RunnerId,
    /// The object it belongs to: an integration, a host token, the runner itself.
    pub sub: Uuid,
    /// Which secret of that object.
    pub field: Field,
    /// First element of the destination, see [`Field`]; bytes as stored, "" if absent.
    pub a: &'a str,
    /// Second element.
    pub b: &'a str,
    /// Third element.
    pub c: &'a str,
}

impl Place<'_> {
    /// The header member `ctx`: base64url of SHA-256 over the label and the length-prefixed elements.
    #[must_use]
    pub fn ctx(&self) -> String {
        let runner = self.runner.to_string();
        let sub = self.sub.to_string();
        let mut hash = Sha256::new();
        hash.update(CONTEXT_LABEL);
        for element in [&runner, &sub, self.field.wire_name(), self.a, self.b, self.c] {
            hash.update(length_prefix(element.as_bytes()));
            hash.update(element);
        }
        URL_SAFE_NO_PAD.encode(hash.finalize())
    }
}

/// The length of `bytes` as 4 bytes, big endian: what precedes every element of a hash or a MAC, so that no
/// two lists of elements read alike. All elements are far below the 4 GiB this can express.
pub(crate) fn length_prefix(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}
