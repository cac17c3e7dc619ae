//! Everything that can be known about a ciphertext before a private key is used. These functions take public
//! keys only, so they cannot decrypt.
use serde::Deserialize;

use super::{OpenError, Reason};
use crate::{
    domain::id::{RegistrationId, RunnerId},
    seal::{
        Place, challenge,
        jwe::{self, Compact},
        key::RsaKey,
        sealed_box,
    },
};

/// The members of a protected header. Missing, doubled and unknown members are refused when it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    typ: String,
    kid: String,
    aud: String,
    sub: String,
    ctx: Option<String>,
}

/// A token that passed every check for its place; only the private key can say more.
pub struct Checked(Compact);

impl Checked {
    /// The token's parts.
    pub(super) const fn parts(&self) -> &Compact {
        &self.0
    }
}

/// Checks a sealed secret: five canonical parts, the header exactly as sealing writes it for `place` and
/// `key`, lengths as the field allows.
///
/// # Errors
/// [`OpenError::Rejected`] with the first check that failed.
pub fn token(place: &Place<'_>, key: &RsaKey, token: &[u8]) -> Result<Checked, OpenError> {
    let compact = Compact::parse(token).ok_or(OpenError::Rejected(Reason::Malformed))?;
    let expected = jwe::secret_header(place, key.kid());
    compare_header(&compact.header, &expected)?;
    if compact.fits(place, key) { Ok(Checked(compact)) } else { Err(OpenError::Rejected(Reason::Length)) }
}

/// Checks a registration challenge.
///
/// # Errors
/// As [`token`].
pub fn challenge(
    runner: RunnerId,
    registration: RegistrationId,
    key: &RsaKey,
    compact: Compact,
) -> Result<Checked, OpenError> {
    let expected = jwe::challenge_header(runner, registration, key.kid());
    compare_header(&compact.header, &expected)?;
    if compact.ek.len() == key.modulus_bytes() && compact.ct.len() == challenge::CHALLENGE_BYTES {
        Ok(Checked(compact))
    } else {
        Err(OpenError::Rejected(Reason::Length))
    }
}

/// Checks the length of a sealed box, all there is to check.
///
/// # Errors
/// [`OpenError::Rejected`] with [`Reason::Length`].
pub fn boxed(place: &Place<'_>, bytes: &[u8]) -> Result<(), OpenError> {
    if sealed_box::lengths(place.field.max_bytes()).contains(&bytes.len()) {
        Ok(())
    } else {
        Err(OpenError::Rejected(Reason::Length))
    }
}

/// The `kid` a token names, to find the key for a challenge. Says nothing about the rest of the header.
pub(super) fn named_kid(compact: &Compact) -> Result<String, OpenError> {
    read(&compact.header).map(|header| header.kid)
}

fn read(bytes: &[u8]) -> Result<Header, OpenError> {
    serde_json::from_slice(bytes).map_err(|_| OpenError::Rejected(Reason::Header))
}

/// The comparison that counts is byte for byte; the members are compared first only to name the reason.
fn compare_header(actual: &[u8], expected: &str) -> Result<(), OpenError> {
    if actual == expected.as_bytes() {
        return Ok(());
    }
    let (actual, expected) = (read(actual)?, read(expected.as_bytes())?);
    let reason = if actual.alg != expected.alg || actual.enc != expected.enc {
        Reason::Algorithm
    } else if actual.typ != expected.typ {
        Reason::Type
    } else if actual.kid != expected.kid {
        Reason::Kid
    } else if actual.aud != expected.aud {
        Reason::Audience
    } else if actual.sub != expected.sub {
        Reason::Subject
    } else if actual.ctx.is_some() == expected.ctx.is_some() && actual.ctx != expected.ctx {
        Reason::Context
    } else {
        Reason::Header
    };
    Err(OpenError::Rejected(reason))
}
