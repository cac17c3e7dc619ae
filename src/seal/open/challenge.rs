//! Answering a registration challenge without becoming an oracle: nothing that was opened leaves this file.
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{KeyRing, OpenError, PrivateKey, Reason, check};
use crate::{
    domain::{
        id::{RegistrationId, RunnerId},
        secret::Kid,
    },
    seal::{
        PublicKey,
        challenge::{CHALLENGE_BYTES, PREFIX, RANDOM_BYTES, expected_answer},
        jwe::Compact,
        sealed_box::OVERHEAD_BYTES,
    },
};

/// Answers a challenge with the key it was sealed to: HMAC-SHA-256 keyed by the random bytes inside.
///
/// A token names its key; a box does not, so each X25519 key of the ring is tried.
///
/// # Errors
/// As [`super::open`]; [`Reason::Plaintext`] if what was opened is not a challenge, so that a server cannot
/// have a stored secret opened as one.
pub fn answer_challenge(
    keys: &KeyRing,
    runner: RunnerId,
    registration_id: RegistrationId,
    challenge: &[u8],
) -> Result<[u8; 32], OpenError> {
    let (plaintext, kid) = if challenge.len() == CHALLENGE_BYTES + OVERHEAD_BYTES {
        open_box(keys, challenge)?
    } else {
        open_token(keys, runner, registration_id, challenge)?
    };
    let random = Zeroizing::new(random_of(&plaintext).ok_or(OpenError::Rejected(Reason::Plaintext))?);
    Ok(expected_answer(&random, registration_id, &kid))
}

fn open_token(
    keys: &KeyRing,
    runner: RunnerId,
    registration: RegistrationId,
    challenge: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, Kid), OpenError> {
    let compact = Compact::parse(challenge).ok_or(OpenError::Rejected(Reason::Malformed))?;
    let kid = Kid(check::named_kid(&compact)?);
    let key = keys.get(&kid).ok_or(OpenError::UnknownKid)?;
    let PublicKey::Rsa(public) = key.public() else {
        return Err(OpenError::Rejected(Reason::Algorithm));
    };
    let checked = check::challenge(runner, registration, public, compact)?;
    Ok((keys.unwrap_token(key, &checked)?, kid))
}

fn open_box(keys: &KeyRing, challenge: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Kid), OpenError> {
    let opens = |key: &PrivateKey| Some((key.unseal(challenge).ok()?, key.public().kid().clone()));
    keys.iter().find_map(opens).ok_or(OpenError::Undecryptable)
}

fn random_of(plaintext: &[u8]) -> Option<[u8; RANDOM_BYTES]> {
    let (prefix, random) = plaintext.split_at_checked(PREFIX.len())?;
    bool::from(prefix.ct_eq(PREFIX)).then_some(())?;
    random.try_into().ok()
}
