//! What the sealing tests share: the keys of `tests/vectors/keys` and one place.
use sealink::{
    domain::{
        id::{RegistrationId, RunnerId},
        secret::{Sealed, Secret},
    },
    seal::{
        Field, Place, PublicKey,
        open::{KeyRing, PrivateKey},
    },
};
use uuid::{Uuid, uuid};

/// The runner of every vector.
pub(crate) const RUNNER: RunnerId = RunnerId(uuid!("0198a7c0-0000-7000-8000-000000000001"));
/// The integration of every vector.
pub(crate) const INTEGRATION: Uuid = uuid!("0198a7c0-0000-7000-8000-000000000002");
/// The registration of every challenge.
pub(crate) const REGISTRATION: RegistrationId = RegistrationId(uuid!("0198a7c0-0000-7000-8000-000000000003"));

/// A test key that is never used for anything real.
pub(crate) fn private_key(name: &str) -> PrivateKey {
    let path = format!("{}/tests/vectors/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let pem = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    PrivateKey::from_pem(&pem).expect("a readable test key")
}

/// A ring of test keys.
pub(crate) fn ring(names: &[&str]) -> KeyRing {
    KeyRing::new(names.iter().map(|name| private_key(name)))
}

/// The public half of a test key.
pub(crate) fn public_key(name: &str) -> PublicKey {
    private_key(name).public().clone()
}

/// The OAuth client secret of an integration for github.com.
pub(crate) fn github() -> Place<'static> {
    Place {
        runner: RUNNER,
        sub: INTEGRATION,
        field: Field::OauthClientSecret,
        a: "github.com",
        b: "",
        c: "Iv1.0123456789abcdef",
    }
}

/// A valid secret.
pub(crate) fn secret(text: &str) -> Secret {
    Secret::parse("secret", text.to_owned()).expect("a valid secret")
}

/// The same ciphertext with other bytes.
pub(crate) fn with_bytes(sealed: &Sealed, bytes: impl Into<Vec<u8>>) -> Sealed {
    Sealed { bytes: bytes.into(), kid: sealed.kid.clone() }
}
