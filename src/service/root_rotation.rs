//! The keyring under another root key.
use super::start::{Start, keyring_row, stored_seed};
use crate::{
    at_rest::RootKey,
    clock::Clock,
    domain::audit::Actor,
    error::Result,
    store::{Store, StoredSeed},
};

impl Start {
    /// Whether `root_key` is the one that wraps these seeds.
    ///
    /// # Errors
    /// [`Kind::DataLoss`](crate::error::Kind::DataLoss) if it is, and they are damaged.
    pub fn fits(root_key: &RootKey, seeds: &[StoredSeed]) -> Result<bool> {
        let fingerprint = root_key.fingerprint();
        if seeds.iter().any(|seed| seed.root_fingerprint != fingerprint) {
            return Ok(false);
        }
        Self::unlock(root_key, seeds.to_vec()).map(|_| true)
    }

    /// Wraps every seed with `new` instead of `old`, all or none; how many. Records stay as they are: they need the seeds,
    /// and not the root key.
    ///
    /// # Errors
    /// [`Kind::DataLoss`](crate::error::Kind::DataLoss) if `old` does not open the keyring,
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) if a server changes it meanwhile; those of the database, after
    /// which either key may be the right one.
    pub async fn rewrap(store: &Store, clock: &Clock, old: &RootKey, new: &RootKey) -> Result<usize> {
        let mut pairs = Vec::new();
        for before in store.seeds().await? {
            let row = keyring_row(before.clone())?.rewrap(old, new)?;
            let after = stored_seed(row, before.created_at);
            pairs.push((before, after));
        }
        let count = pairs.len();
        let organization = store.first_organization().await?;
        let actor = Actor::server(organization, clock.now(), clock.new_id());
        store.rewrap_seeds(actor, new.fingerprint(), pairs).await?;
        Ok(count)
    }
}
