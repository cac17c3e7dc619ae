//! Registration by sealed challenge: the proof that a runner holds the private half of the key it offers.
//!
//! The server seals `"sealink/challenge/v1\0" || random`, the agent answers with an HMAC keyed by the random
//! bytes. The prefix ends in NUL, which no secret may contain, so a stored secret never passes as a challenge.
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{PublicKey, jwe, place::length_prefix, random, sealed_box};
use crate::{
    domain::{
        id::{RegistrationId, RunnerId},
        secret::Kid,
    },
    error::Result,
};

/// What every challenge begins with.
pub const PREFIX: &[u8] = b"sealink/challenge/v1\0";
/// Length of the random part, in bytes.
pub const RANDOM_BYTES: usize = 32;
/// Length of a challenge's plaintext, in bytes.
pub const CHALLENGE_BYTES: usize = PREFIX.len() + RANDOM_BYTES;

/// Seals a challenge to the offered key, in that key's format.
///
/// # Errors
/// As [`super::seal`].
pub fn seal_challenge(
    key: &PublicKey,
    runner: RunnerId,
    registration_id: RegistrationId,
    random: &[u8; RANDOM_BYTES],
) -> Result<Vec<u8>> {
    let mut plaintext = Zeroizing::new([0; CHALLENGE_BYTES]);
    let (prefix, tail) = plaintext.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    tail.copy_from_slice(random);
    match key {
        PublicKey::Rsa(rsa) => {
            let header = jwe::challenge_header(runner, registration_id, rsa.kid());
            Ok(jwe::encrypt(rsa, &header, &*plaintext, &jwe::Randomness::fresh()?)?.into_bytes())
        }
        PublicKey::X25519(key) => sealed_box::seal(key, &*plaintext, random::bytes()?),
    }
}

/// The answer that proves possession: HMAC-SHA-256 keyed with the challenge's random bytes, over the
/// length-prefixed registration id and kid. Compare in constant time.
#[must_use]
pub fn expected_answer(random: &[u8; RANDOM_BYTES], registration_id: RegistrationId, kid: &Kid) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, random));
    for element in [registration_id.to_string().as_bytes(), kid.0.as_bytes()] {
        mac.update(&length_prefix(element));
        mac.update(element);
    }
    let mut answer = [0; 32];
    answer.copy_from_slice(mac.sign().as_ref());
    answer
}
