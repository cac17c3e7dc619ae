//! Sealed secrets.
use crate::{
    domain::{
        id::parse_uuid,
        secret::{Kid, Sealed},
        secret_state::SecretState,
        stored_secret::{SecretEntry, StoredSecret},
        text::plain_text,
    },
    error::{Error, Result},
    pb::sealink::v1 as pb,
    service::Resealing,
};

/// Names of secrets are shorter; headers have no longer ones.
const LONGEST: usize = 256;

/// The id of the key that a secret is sealed with; empty if there is none.
pub(crate) fn kid(sealed: Option<&Sealed>) -> String {
    sealed.map(|sealed| sealed.kid.0.clone()).unwrap_or_default()
}

/// Whether a secret can be used, on the wire.
pub(super) fn secret_state(state: SecretState) -> pb::SecretState {
    match state {
        SecretState::None => pb::SecretState::Unspecified,
        SecretState::Ok => pb::SecretState::Ok,
        SecretState::StaleKey => pb::SecretState::StaleKey,
        SecretState::Missing => pb::SecretState::Missing,
        SecretState::Rejected => pb::SecretState::Rejected,
        SecretState::Undecryptable => pb::SecretState::Undecryptable,
    }
}

/// A secret as those see it who administer its runner.
pub(crate) fn sealed_secret((entry, state): (SecretEntry, SecretState)) -> pb::SealedSecret {
    pb::SealedSecret {
        sub: entry.sub.to_string(),
        field: entry.field.wire_name().to_owned(),
        name: entry.name,
        kid: entry.kid.map(|kid| kid.0).unwrap_or_default(),
        secret_state: secret_state(state).into(),
        version: entry.version,
    }
}

/// A secret as its runner gets it, to seal it anew.
pub(crate) fn secret_to_reseal(secret: StoredSecret) -> pb::SecretToReseal {
    let StoredSecret { entry, sealed, destination } = secret;
    pb::SecretToReseal {
        sub: entry.sub.to_string(),
        field: entry.field.wire_name().to_owned(),
        name: entry.name,
        version: entry.version,
        old_kid: sealed.kid.0,
        sealed: sealed.bytes,
        destination: destination.into(),
    }
}

impl TryFrom<pb::ResealSecretRequest> for Resealing {
    type Error = Error;

    fn try_from(request: pb::ResealSecretRequest) -> Result<Self> {
        let pb::ResealSecretRequest {
            sub,
            field,
            name,
            expected_version,
            expected_old_kid,
            new_sealed,
            new_kid,
        } = request;
        Ok(Self {
            sub: parse_uuid("sub", &sub)?,
            field: plain_text("field", field, LONGEST)?,
            name: plain_text("name", name, LONGEST)?,
            expected_version,
            expected_kid: Kid::parse("expected_old_kid", expected_old_kid)?,
            sealed: Sealed { bytes: new_sealed, kid: Kid::parse("new_kid", new_kid)? },
        })
    }
}
