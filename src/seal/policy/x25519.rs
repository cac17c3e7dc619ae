//! The policy for X25519 keys. The library that seals checks none of this.
use aws_lc_rs::{
    agreement::{self, EphemeralPrivateKey, UnparsedPublicKey},
    rand::SystemRandom,
};

use super::Reason;

/// The field's prime, 2^255 - 19, little endian.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// Refuses encodings that are not canonical and points of low order, with which everybody could open the box.
pub(super) fn check(raw: &[u8; 32]) -> Result<(), Reason> {
    if !raw.iter().rev().lt(PRIME.iter().rev()) {
        return Err("an X25519 key must be canonical: below 2^255 - 19, top bit clear");
    }
    let unavailable = "the system's random source failed; try again";
    let scalar =
        EphemeralPrivateKey::generate(&agreement::X25519, &SystemRandom::new()).map_err(|_| unavailable)?;
    let peer = UnparsedPublicKey::new(&agreement::X25519, raw);
    let refusal = "an X25519 key must not be a point of low order";
    agreement::agree_ephemeral(scalar, peer, refusal, |shared| {
        if shared.iter().all(|&byte| byte == 0) { Err(refusal) } else { Ok(()) }
    })
}
