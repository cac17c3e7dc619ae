//! Sealing: turns a plaintext secret into bytes that only one runner can open.
//!
//! The runner registers a public key, and the key chooses the format:
//!
//! | key | format | bound to its place |
//! |---|---|---|
//! | RSA 2048, 3072 or 4096 | JWE compact, `RSA-OAEP-256` with `A256GCM` ([`jwe`]) | yes, by the authenticated header |
//! | X25519 | the sealed box of libsodium ([`sealed_box`]) | no, and it cannot be |
//!
//! The server only ever uses public keys. [`open`] is the other half: it belongs to the runner agent, and no
//! other module of this crate may name it.
pub mod challenge;
pub mod jwe;
pub mod key;
pub mod open;
mod place;
pub mod policy;
pub mod random;
pub mod sealed_box;

pub use challenge::{expected_answer, seal_challenge};
pub use key::{Algorithm, PublicKey};
pub(crate) use place::length_prefix;
pub use place::{Field, Place};
pub use policy::accept;

use crate::{
    domain::secret::{Sealed, Secret},
    error::{Error, Result},
};

/// Whether `sealed` is, judging by its outside, what [`seal`] makes of a secret for `place` with `key`: a token
/// with exactly that header and possible lengths, or a box of a possible length. Nobody but the key's holder
/// can say more.
#[must_use]
pub fn fits(key: &PublicKey, place: &Place<'_>, sealed: &[u8]) -> bool {
    match key {
        PublicKey::Rsa(rsa) => jwe::Compact::parse(sealed).is_some_and(|token| token.fits(place, rsa)),
        PublicKey::X25519(_) => sealed_box::lengths(place.field.max_bytes()).contains(&sealed.len()),
    }
}

/// Seals a secret to a runner's key, for one place.
///
/// The outcome is 1 to [`Field::max_bytes`] bytes of plaintext turned into a JWE token (ASCII) or a sealed
/// box (`epk(32) || mac(16) || ct`). Takes well under a millisecond, so it may run on the caller's thread.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) if the secret is longer than its field allows;
/// [`Kind::Internal`](crate::error::Kind::Internal) if the system's random source fails.
pub fn seal(key: &PublicKey, place: &Place<'_>, secret: &Secret) -> Result<Sealed> {
    let plaintext = secret.expose().as_bytes();
    if plaintext.len() > place.field.max_bytes() {
        return Err(Error::invalid(place.field.wire_name(), "sealink.secret", "value is too long"));
    }
    let bytes = match key {
        PublicKey::Rsa(rsa) => {
            let header = jwe::secret_header(place, rsa.kid());
            jwe::encrypt(rsa, &header, plaintext, &jwe::Randomness::fresh()?)?.into_bytes()
        }
        PublicKey::X25519(key) => sealed_box::seal(key, plaintext, random::bytes()?)?,
    };
    Ok(Sealed { bytes, kid: key.kid().clone() })
}
