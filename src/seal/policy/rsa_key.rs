//! The policy for RSA keys: sizes, exponent, and the weaknesses that a public key shows.
use rsa::{BigUint, RsaPublicKey, traits::PublicKeyParts};

use super::{Reason, modulus};
use crate::seal::{PublicKey, key::RsaKey};

const SIZES: [usize; 3] = [2_048, 3_072, 4_096];
const EXPONENT: u32 = 65_537;

/// Applies every rule, the cheap ones first.
pub(super) fn check(key: &RsaPublicKey) -> Result<(), Reason> {
    let n = key.n();
    if !SIZES.contains(&n.bits()) {
        return Err("an RSA key must have exactly 2048, 3072 or 4096 bits");
    }
    if *key.e() != BigUint::from(EXPONENT) {
        return Err("an RSA key must have the exponent 65537");
    }
    if modulus::has_small_factor(n) {
        return Err("the RSA modulus has a small factor; generate a new key");
    }
    if modulus::has_roca_fingerprint(n) {
        return Err(
            "the RSA key was made by a chip with the ROCA weakness (CVE-2017-15361); generate it elsewhere",
        );
    }
    if modulus::is_square_or_has_close_factors(n) {
        return Err("the RSA modulus can be factored (Fermat); generate a new key");
    }
    Ok(())
}

/// Wraps a key that passed.
pub(super) fn into_public(key: RsaPublicKey) -> Result<PublicKey, Reason> {
    RsaKey::new(key).map(PublicKey::Rsa).ok_or("the RSA key cannot be encoded")
}
