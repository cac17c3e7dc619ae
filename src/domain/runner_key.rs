//! The public keys that a runner's secrets are sealed with.
use crate::{
    clock::Instant,
    domain::{id::RunnerId, secret::Kid},
};

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyState {
    /// Registered, waiting for an administrator.
    Pending,
    /// What new secrets are sealed with; at most one per runner.
    Active,
    /// Replaced, but still named by ciphertexts.
    Retiring,
    /// Replaced, and named by no ciphertext.
    Retired,
    /// Withdrawn, with everything sealed to it wiped.
    Revoked,
}

/// Decides the format of everything sealed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyAlgorithm {
    /// JWE compact, RSA-OAEP-256 and A256GCM.
    Rsa,
    /// NaCl anonymous sealed box.
    X25519,
}

impl KeyAlgorithm {
    /// The name in vectors and in tables for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::X25519 => "X25519",
        }
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rsa, Self::X25519].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A runner's public key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerKey {
    /// Its thumbprint.
    pub kid: Kid,
    /// Whose it is.
    pub runner: RunnerId,
    /// Where it is in its life.
    pub state: KeyState,
    /// What it is.
    pub algorithm: KeyAlgorithm,
    /// Modulus length, or 256.
    pub bits: u32,
    /// SPKI DER for RSA, 32 raw bytes for X25519.
    pub public_key: Vec<u8>,
    /// When it was registered.
    pub created_at: Instant,
    /// When it became ACTIVE.
    pub activated_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// Why it was revoked.
    pub revocation_reason: String,
}
