//! Ciphertexts that stand in a table of their own.
use uuid::Uuid;

use super::tx::{Tx, execute};
use crate::{
    domain::{id::RunnerId, secret::Sealed, secret_field::SecretField},
    error::Result,
};

/// A ciphertext to be stored.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Orders lists; only used if there was none in its place.
    pub id: Uuid,
    /// The ciphertext, of the key that must be ACTIVE.
    pub sealed: Sealed,
}

/// What becomes of a ciphertext.
#[derive(Clone, Debug)]
pub enum SecretChange {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(NewSecret),
}

/// Which ciphertext of a runner.
#[derive(Clone, Copy)]
pub(super) struct SecretPlace<'a> {
    pub(super) runner: RunnerId,
    pub(super) sub: Uuid,
    pub(super) field: SecretField,
    pub(super) name: &'a str,
}

/// Stores a ciphertext, or replaces the one in its place.
pub(super) async fn put_secret(tx: &mut Tx, place: SecretPlace<'_>, new: &NewSecret) -> Result<()> {
    const SQL: &str = "INSERT INTO sealed_secret (id, runner_id, sub, field, name, kid, sealed, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 1) ON CONFLICT (sub, field, name) DO UPDATE SET \
        kid = excluded.kid, sealed = excluded.sealed, version = sealed_secret.version + 1";
    let SecretPlace { runner, sub, field, name } = place;
    let Sealed { bytes, kid } = &new.sealed;
    execute!(tx, SQL, new.id, runner, sub, field.wire_name(), name, kid, bytes.as_slice()).map(|_| ())
}

/// Removes one ciphertext, or the note that it was wiped.
pub(super) async fn remove_secret(tx: &mut Tx, place: SecretPlace<'_>) -> Result<()> {
    const SQL: &str = "DELETE FROM sealed_secret WHERE sub = $1 AND field = $2 AND name = $3";
    execute!(tx, SQL, place.sub, place.field.wire_name(), place.name).map(|_| ())
}

/// Removes every ciphertext of one object.
pub(super) async fn remove_secrets_of(tx: &mut Tx, sub: Uuid) -> Result<()> {
    const SQL: &str = "DELETE FROM sealed_secret WHERE sub = $1";
    execute!(tx, SQL, sub).map(|_| ())
}
