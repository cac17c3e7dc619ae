//! The seeds of the server's own keyring: what needs them, and when they go.
use std::time::Duration;

use super::Service;
use crate::{
    at_rest::SeedState,
    clock::Instant,
    domain::{access::Caller, audit::Actor},
    error::{Error, Kind, Result},
    store::{SealedColumn, SeedRow},
};

/// How long a seed is kept that nothing stored names: page tokens live for a day, and nothing lives longer.
const GRACE: Duration = Duration::from_hours(25);

/// A seed, and what needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedReport {
    /// Its number.
    pub key_id: u32,
    /// Where it is in its life.
    pub state: SeedState,
    /// When it was made.
    pub created_at: Instant,
    /// When another became ACTIVE in its place.
    pub demoted_at: Option<Instant>,
    /// Secrets that are sealed with it.
    pub records: u64,
    /// Links of audit chains that are proved by it.
    pub audit_links: u64,
    /// Idempotency keys that are remembered with it.
    pub idempotency_keys: u64,
}

impl Service {
    /// Every seed of the keyring, oldest first, and what needs it.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for administrators of any organization but the first.
    pub async fn seeds(&self, caller: &Caller) -> Result<Vec<SeedReport>> {
        self.operates(caller).await?;
        let mut records = Vec::new();
        for column in SealedColumn::ALL {
            records.extend(self.store.records_by_seed(column).await?);
        }
        let [links, keys] = self.store.derived_by_seed().await?;
        let of = |counts: &[(i64, i64)], id: i64| {
            counts.iter().filter(|(seed, _)| *seed == id).map(|(_, count)| count.unsigned_abs()).sum()
        };
        let report = |seed: SeedRow| {
            let key_id = u32::try_from(seed.key_id).map_err(Error::internal)?;
            let unknown = || Error::new(Kind::DataLoss, "a seed has an unknown state");
            Ok(SeedReport {
                key_id,
                state: SeedState::from_name(&seed.state).ok_or_else(unknown)?,
                created_at: seed.created_at,
                demoted_at: seed.demoted_at,
                records: records.iter().filter(|(id, _)| *id == key_id).map(|(_, count)| count).sum(),
                audit_links: of(&links, seed.key_id),
                idempotency_keys: of(&keys, seed.key_id),
            })
        };
        self.store.seed_rows().await?.into_iter().map(report).collect()
    }

    /// Retires the seeds that nothing needs any more; their numbers.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn retire_seeds(&self) -> Result<Vec<u32>> {
        let before = self.now().minus(GRACE);
        let mut retired = Vec::new();
        for seed in self.store.seed_rows().await? {
            let old = seed.demoted_at.is_some_and(|at| at <= before);
            if !old || seed.state != SeedState::DecryptOnly.name() {
                continue;
            }
            let key_id = u32::try_from(seed.key_id).map_err(Error::internal)?;
            let organization = self.store.first_organization().await?;
            let actor = Actor::server(organization, self.now(), self.clock.new_id());
            if self.store.retire_seed(actor, key_id, before).await? {
                tracing::info!(key_id, "a seed of the keyring is retired");
                retired.push(key_id);
            }
        }
        if !retired.is_empty() {
            self.reload_keyring().await?;
        }
        Ok(retired)
    }

    /// The keyring is the server's and no organization's: who administers the first one operates the server.
    pub(super) async fn operates(&self, caller: &Caller) -> Result<()> {
        if caller.organization == self.store.first_organization().await? {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, "only administrators of the server's first organization may do this"))
    }
}
