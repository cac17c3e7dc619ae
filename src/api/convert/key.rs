//! Runner keys.
use super::timestamp;
use crate::{
    domain::runner_key::{KeyAlgorithm, KeyState, RunnerKey},
    pb::sealink::v1 as pb,
    seal::PublicKey,
};

/// A key's state on the wire.
pub(crate) fn key_state(state: KeyState) -> pb::KeyState {
    match state {
        KeyState::Pending => pb::KeyState::Pending,
        KeyState::Active => pb::KeyState::Active,
        KeyState::Retiring => pb::KeyState::Retiring,
        KeyState::Retired => pb::KeyState::Retired,
        KeyState::Revoked => pb::KeyState::Revoked,
    }
}

/// A key as lists show it; fingerprints stay empty where the stored key is damaged.
pub(crate) fn runner_key(key: RunnerKey) -> pb::RunnerKey {
    let parsed = PublicKey::from_stored(key.algorithm, &key.public_key).ok();
    let algorithm = match key.algorithm {
        KeyAlgorithm::Rsa => pb::KeyAlgorithm::Rsa,
        KeyAlgorithm::X25519 => pb::KeyAlgorithm::X25519,
    };
    pb::RunnerKey {
        kid: key.kid.0,
        runner_id: key.runner.to_string(),
        state: key_state(key.state).into(),
        algorithm: algorithm.into(),
        bits: key.bits,
        fingerprint: parsed.as_ref().map(PublicKey::fingerprint).unwrap_or_default(),
        fingerprint_hex: parsed.as_ref().map(PublicKey::fingerprint_hex).unwrap_or_default(),
        public_key: key.public_key,
        created_at: Some(timestamp(key.created_at)),
        activated_at: key.activated_at.map(timestamp),
        revoked_at: key.revoked_at.map(timestamp),
        revocation_reason: key.revocation_reason,
    }
}
