//! Runners' public keys and their names.
use std::sync::Arc;

use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use rsa::{
    RsaPublicKey,
    pkcs8::{DecodePublicKey, EncodePublicKey},
    traits::PublicKeyParts,
};
use sha2::{Digest, Sha256};

use crate::{
    domain::secret::Kid,
    error::{Error, Kind, Result},
};

pub use crate::domain::runner_key::KeyAlgorithm as Algorithm;

/// A public key that was accepted by [`super::policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA with a modulus of 2048, 3072 or 4096 bits and exponent 65537.
    Rsa(RsaKey),
    /// X25519.
    X25519(X25519Key),
}

/// An RSA public key with its encoding and its name.
#[derive(Clone, Debug)]
pub struct RsaKey {
    key: RsaPublicKey,
    /// The same key for the library that wraps eight times as fast as `rsa`.
    wrapping: Arc<OaepPublicEncryptingKey>,
    spki: Vec<u8>,
    kid: Kid,
}

impl PartialEq for RsaKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for RsaKey {}

/// An X25519 public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X25519Key {
    raw: [u8; 32],
    kid: Kid,
}

impl PublicKey {
    /// Reads a key that was accepted before: SPKI DER for RSA, 32 raw bytes for X25519. Cheap, and checks
    /// nothing but the encoding; keys from outside go through [`super::accept`].
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if the bytes are not such a key.
    pub fn from_stored(algorithm: Algorithm, bytes: &[u8]) -> Result<Self> {
        let key = match algorithm {
            Algorithm::Rsa => {
                RsaPublicKey::from_public_key_der(bytes).ok().and_then(RsaKey::new).map(Self::Rsa)
            }
            Algorithm::X25519 => bytes.try_into().ok().map(X25519Key::new).map(Self::X25519),
        };
        key.ok_or_else(|| Error::new(Kind::DataLoss, "a stored public key is damaged"))
    }

    /// What the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rsa,
            Self::X25519(_) => Algorithm::X25519,
        }
    }

    /// Modulus length for RSA, 256 for X25519.
    #[must_use]
    pub fn bits(&self) -> u32 {
        match self {
            Self::Rsa(rsa) => u32::try_from(rsa.modulus_bytes() * 8).unwrap_or(u32::MAX),
            Self::X25519(_) => 256,
        }
    }

    /// The RFC 7638 thumbprint, base64url: the key's name beside every ciphertext.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        match self {
            Self::Rsa(rsa) => rsa.kid(),
            Self::X25519(key) => &key.kid,
        }
    }

    /// The key as the API shows and the store keeps it: SPKI DER (294, 422 or 550 bytes) or 32 raw bytes.
    #[must_use]
    pub fn wire_bytes(&self) -> &[u8] {
        match self {
            Self::Rsa(rsa) => &rsa.spki,
            Self::X25519(key) => &key.raw,
        }
    }

    /// The fingerprint for people: `SHA256:` and the unpadded base64 of the SHA-256 of [`Self::wire_bytes`].
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(self.wire_bytes())))
    }

    /// The same digest in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint_hex(&self) -> String {
        hex::encode(Sha256::digest(self.wire_bytes()))
    }
}

impl RsaKey {
    /// Encodes and names a key. `None` if it cannot be encoded, which no parsed key is.
    pub(super) fn new(key: RsaPublicKey) -> Option<Self> {
        let spki = key.to_public_key_der().ok()?.into_vec();
        let e = URL_SAFE_NO_PAD.encode(key.e().to_bytes_be());
        let n = URL_SAFE_NO_PAD.encode(key.n().to_bytes_be());
        let kid = thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let wrapping = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&spki).ok()?).ok()?;
        Some(Self { key, wrapping: Arc::new(wrapping), spki, kid })
    }

    /// The key for wrapping with a padding that the library draws.
    pub(super) fn wrapping(&self) -> &OaepPublicEncryptingKey {
        &self.wrapping
    }

    /// The key for wrapping with a given padding.
    pub(super) const fn inner(&self) -> &RsaPublicKey {
        &self.key
    }

    /// The key's name.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Length of the modulus, and so of every wrapped key: 256, 384 or 512 bytes.
    #[must_use]
    pub fn modulus_bytes(&self) -> usize {
        self.key.size()
    }
}

impl X25519Key {
    /// Names a key.
    pub(super) fn new(raw: [u8; 32]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(raw);
        Self { raw, kid: thumbprint(&format!(r#"{{"crv":"X25519","kty":"OKP","x":"{x}"}}"#)) }
    }

    /// The 32 raw bytes.
    #[must_use]
    pub const fn raw(&self) -> &[u8; 32] {
        &self.raw
    }
}

/// RFC 7638: the members in lexical order, no white space.
fn thumbprint(jwk: &str) -> Kid {
    Kid(URL_SAFE_NO_PAD.encode(Sha256::digest(jwk)))
}
