//! The sealed secrets of a runner, whatever they belong to.
use uuid::Uuid;

use crate::domain::{
    secret::{Kid, Sealed},
    secret_field::SecretField,
};

/// Which sealed secret, and how new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretEntry {
    /// Orders lists.
    pub order: Uuid,
    /// What it belongs to.
    pub sub: Uuid,
    /// Which secret of it.
    pub field: SecretField,
    /// Tells apart several of one field; else empty.
    pub name: String,
    /// Grows with every change.
    pub version: u64,
    /// The version of what it belongs to.
    pub object_version: u64,
    /// The key it is sealed with; `None` if it was wiped with its key.
    pub kid: Option<Kid>,
}

/// A sealed secret with everything that sealing it anew takes.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// Which.
    pub entry: SecretEntry,
    /// Its ciphertext.
    pub sealed: Sealed,
    /// What it is bound to besides runner, object and field.
    pub destination: [String; 3],
}
