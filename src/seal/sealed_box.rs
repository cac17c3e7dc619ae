//! The X25519 format: the anonymous sealed box, `crypto_box_seal` of libsodium.
//!
//! `epk(32) || mac(16) || ct`, nonce = BLAKE2b-192(epk || pk), XSalsa20-Poly1305. There is no place for a
//! version, a key id or a binding: whoever can write the database can move a box between rows.
use std::ops::RangeInclusive;

use crypto_box::PublicKey;
use zeroize::Zeroizing;

use super::{key::X25519Key, random::Seed};
use crate::error::{Error, Result};

/// What a box adds to its plaintext: the ephemeral key and the MAC, in bytes.
pub const OVERHEAD_BYTES: usize = 48;

/// Seals `plaintext` with the ephemeral private key `ephemeral`, which must be 32 fresh random bytes; the
/// same arguments give the same box.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) if the library refuses, which it does for no accepted key.
pub fn seal(key: &X25519Key, plaintext: &[u8], ephemeral: Zeroizing<[u8; 32]>) -> Result<Vec<u8>> {
    PublicKey::from_bytes(*key.raw())
        .seal(&mut Seed::new(ephemeral), plaintext)
        .map_err(|_| Error::internal("sealing a box failed"))
}

/// The possible lengths of a box whose plaintext has 1 to `max_plaintext` bytes.
#[must_use]
pub const fn lengths(max_plaintext: usize) -> RangeInclusive<usize> {
    OVERHEAD_BYTES + 1..=OVERHEAD_BYTES + max_plaintext
}
