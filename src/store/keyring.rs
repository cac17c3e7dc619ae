//! The keyring's rows: seeds wrapped with the root key, never in clear.
use sqlx::FromRow;

use super::{Store, on, tx::execute};
use crate::{clock::Instant, error::Result};

/// One seed of the keyring as stored.
#[derive(Clone, Debug, FromRow)]
pub struct StoredSeed {
    /// Its number; every record names it.
    pub key_id: i64,
    /// `ACTIVE`, `DECRYPT_ONLY` or `RETIRED`.
    pub state: String,
    /// The seed, wrapped with the root key.
    pub wrapped_seed: Vec<u8>,
    /// Which root key wrapped it.
    pub root_fingerprint: String,
    /// When it was made.
    pub created_at: Instant,
}

impl Store {
    /// Every seed that is not retired.
    pub async fn seeds(&self) -> Result<Vec<StoredSeed>> {
        const SQL: &str = "SELECT key_id, state, wrapped_seed, root_fingerprint, created_at FROM keyring \
            WHERE state <> 'RETIRED' ORDER BY key_id";
        on!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await)
    }

    /// Stores the first seed, unless another replica was faster: then nothing happens.
    pub async fn first_seed(&self, seed: StoredSeed) -> Result<()> {
        const SQL: &str = "INSERT INTO keyring (key_id, state, wrapped_seed, root_fingerprint, created_at) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        self.write(seed, |tx, seed| {
            Box::pin(async move {
                execute!(
                    tx,
                    SQL,
                    seed.key_id,
                    &seed.state,
                    &seed.wrapped_seed,
                    &seed.root_fingerprint,
                    seed.created_at,
                )
                .map(|_| ())
            })
        })
        .await
    }

    /// One record sealed at rest under `key_id`, with whose it is, to prove that the keyring opens it.
    pub async fn any_metrics_password(&self) -> Result<Vec<(crate::domain::id::RunnerId, Vec<u8>)>> {
        const SQL: &str =
            "SELECT id, metrics_password FROM runner WHERE metrics_password IS NOT NULL ORDER BY id LIMIT 1";
        on!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await)
    }
}
