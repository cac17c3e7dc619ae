//! The RSA format, "sealink secret v1": JWE compact serialization (RFC 7516) with `RSA-OAEP-256` and
//! `A256GCM` (RFC 7518).
//!
//! The protected header carries the binding (`aud`, `sub`, `ctx`) and is authenticated as the AAD of the
//! content encryption, so any JOSE library opens a token, and none opens one whose header was edited.
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rsa::OAEP_SHA256_MGF1SHA256,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rsa::{Oaep, sha2::Sha256};
use zeroize::Zeroizing;

use super::{
    Place,
    key::RsaKey,
    random::{self, Seed},
};
use crate::{
    domain::{
        id::{RegistrationId, RunnerId},
        secret::Kid,
    },
    error::{Error, Result},
};

/// `typ` of a sealed secret.
pub const SECRET_TYPE: &str = "sealink-secret+jwe";
/// `typ` of a registration challenge.
pub const CHALLENGE_TYPE: &str = "sealink-challenge+jwe";
/// Length of the content encryption key, in bytes.
pub const CEK_BYTES: usize = 32;
/// Length of the initialisation vector, in bytes.
pub const IV_BYTES: usize = 12;
/// Length of the authentication tag, in bytes.
pub const TAG_BYTES: usize = 16;
/// The longest token, in bytes: what the column holds.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What is random in one token. Every value is used for exactly one.
pub struct Randomness {
    cek: Zeroizing<[u8; CEK_BYTES]>,
    iv: [u8; IV_BYTES],
    /// `None`: the library that wraps draws it.
    oaep_seed: Option<Zeroizing<[u8; 32]>>,
}

impl Randomness {
    /// Fresh from the system.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if the source fails.
    pub fn fresh() -> Result<Self> {
        Ok(Self { cek: random::bytes()?, iv: *random::bytes()?, oaep_seed: None })
    }

    /// Chosen by the caller: only for test vectors. Two tokens with the same values reveal their plaintexts.
    #[must_use]
    pub fn fixed(cek: [u8; CEK_BYTES], iv: [u8; IV_BYTES], oaep_seed: [u8; 32]) -> Self {
        Self { cek: Zeroizing::new(cek), iv, oaep_seed: Some(Zeroizing::new(oaep_seed)) }
    }
}

/// The protected header of a secret: these seven members, in this order, without white space. No element
/// can contain a character that JSON escapes.
#[must_use]
pub fn secret_header(place: &Place<'_>, kid: &Kid) -> String {
    let (runner, sub, ctx) = (place.runner, place.sub, place.ctx());
    format!(
        r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"{SECRET_TYPE}","kid":"{kid}","aud":"{runner}","sub":"{sub}","ctx":"{ctx}"}}"#
    )
}

/// The protected header of a challenge: as a secret's, without `ctx`, and for a registration.
#[must_use]
pub fn challenge_header(runner: RunnerId, registration: RegistrationId, kid: &Kid) -> String {
    format!(
        r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"{CHALLENGE_TYPE}","kid":"{kid}","aud":"{runner}","sub":"{registration}"}}"#
    )
}

/// Builds the token `header.ek.iv.ct.tag`; the same arguments, with fixed randomness, give the same token.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) if a library refuses, which it does for no accepted key.
pub fn encrypt(key: &RsaKey, header: &str, plaintext: &[u8], randomness: &Randomness) -> Result<String> {
    let header = URL_SAFE_NO_PAD.encode(header);
    let ek = wrap(key, randomness)?;

    let cipher = content_cipher(&*randomness.cek)?;
    // Encrypted in place: when this returns, the buffer no longer holds the plaintext.
    let mut content = Zeroizing::new(plaintext.to_vec());
    let nonce = Nonce::assume_unique_for_key(randomness.iv);
    let tag = cipher
        .seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut content)
        .map_err(Error::internal)?;

    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok([header, part(&ek), part(&randomness.iv), part(&content), part(tag.as_ref())].join("."))
}

/// The content encryption key under RSA-OAEP-256: by AWS-LC, or by `rsa` where the padding's seed is given.
fn wrap(key: &RsaKey, randomness: &Randomness) -> Result<Vec<u8>> {
    let cek = &*randomness.cek;
    if let Some(seed) = &randomness.oaep_seed {
        let mut seed = Seed::new(seed.clone());
        return key.inner().encrypt(&mut seed, Oaep::new::<Sha256>(), cek).map_err(Error::internal);
    }
    let mut ek = vec![0; key.modulus_bytes()];
    key.wrapping().encrypt(&OAEP_SHA256_MGF1SHA256, cek, &mut ek, None).map_err(Error::internal)?;
    Ok(ek)
}

/// AES-256-GCM under a content encryption key.
pub(super) fn content_cipher(cek: &[u8]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, cek).map(LessSafeKey::new).map_err(Error::internal)
}

/// A token taken apart. Nothing in it is trusted or decrypted.
pub struct Compact {
    /// The first part as it came: the AAD.
    pub encoded_header: String,
    /// The protected header's bytes.
    pub header: Vec<u8>,
    /// The wrapped content encryption key; any length.
    pub ek: Vec<u8>,
    /// The initialisation vector.
    pub iv: [u8; IV_BYTES],
    /// The ciphertext; any length.
    pub ct: Vec<u8>,
    /// The authentication tag.
    pub tag: [u8; TAG_BYTES],
}

impl Compact {
    /// Takes a token apart: exactly five parts, each canonical base64url (no padding, unused bits zero),
    /// IV and tag of their lengths, at most [`MAX_TOKEN_BYTES`]. `None` for anything else.
    #[must_use]
    pub fn parse(token: &[u8]) -> Option<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let parts: Vec<&str> = std::str::from_utf8(token).ok()?.split('.').collect();
        let [encoded_header, ek, iv, ct, tag] = parts.try_into().ok()?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        Some(Self {
            header: bytes(encoded_header)?,
            encoded_header: encoded_header.to_owned(),
            ek: bytes(ek)?,
            iv: bytes(iv)?.try_into().ok()?,
            ct: bytes(ct)?,
            tag: bytes(tag)?.try_into().ok()?,
        })
    }

    /// Whether the token is, judging by its outside, what [`super::seal`] makes for `place` and `key`: the
    /// header byte for byte, and the length of every part. A server checks with this what it cannot open.
    #[must_use]
    pub fn fits(&self, place: &Place<'_>, key: &RsaKey) -> bool {
        self.header == secret_header(place, key.kid()).as_bytes()
            && self.ek.len() == key.modulus_bytes()
            && (1..=place.field.max_bytes()).contains(&self.ct.len())
    }
}
