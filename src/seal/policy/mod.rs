//! Which public keys a runner may register.
//!
//! The libraries are too lenient for keys that come from outside: one accepts a 512-bit modulus, `e = 3`, the
//! square of a prime and keys with the ROCA fingerprint, the other trailing bytes and odd sizes. So every key
//! passes the checks here once, at registration; afterwards [`PublicKey::from_stored`] suffices.
//!
//! Not checked here, because it needs the database: that the kid was not revoked in this organization and is
//! not the key of another runner.
mod container;
mod modulus;
mod private;
mod rsa_key;
mod x25519;

use super::{PublicKey, key::X25519Key};
use crate::error::{Error, Result};

/// The longest DER encoding, in bytes. RSA-4096 takes 550.
pub const MAX_DER_BYTES: usize = 1_024;
/// The longest PEM or JWK text, in bytes.
pub const MAX_TEXT_BYTES: usize = 2_048;

/// Why a key is refused: a sentence for whoever sent it, with the cure where there is one. Never holds any
/// part of the input, which may be a private key.
pub(crate) type Reason = &'static str;

/// Reads a public key from outside and applies the whole policy.
///
/// Takes RSA as SPKI (DER, or one PEM block `PUBLIC KEY`) or as a JWK, 2048, 3072 or 4096 bits with exponent
/// 65537; X25519 as 32 raw bytes.
///
/// Costs 1 to 15 ms of CPU for RSA: call it within `tokio::task::spawn_blocking`, once per registration.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) on `public_key` with a cure. A private key is refused with
/// the advice to give it up; nothing of the input is echoed.
pub fn accept(bytes: &[u8]) -> Result<PublicKey> {
    examine(bytes).map_err(|refusal| Error::invalid("public_key", "sealink.public_key", refusal))
}

fn examine(bytes: &[u8]) -> Result<PublicKey, Reason> {
    if private::looks_private(bytes) {
        return Err(private::REFUSAL);
    }
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        x25519::check(&raw)?;
        return Ok(PublicKey::X25519(X25519Key::new(raw)));
    }
    let key = container::read(bytes)?;
    rsa_key::check(&key)?;
    rsa_key::into_public(key)
}
