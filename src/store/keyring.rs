//! The keyring's rows: seeds wrapped with the root key, never in clear.
use sqlx::{FromRow, PgPool, SqliteConnection};

use super::{
    Store,
    changes::log_audit,
    failure::failure,
    on,
    sqlite::number,
    tx::{Tx, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::audit::{Actor, Entry},
    error::{Error, Kind, Result},
};

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

/// Every seed that is not retired.
const SEEDS: &str = "SELECT key_id, state, wrapped_seed, root_fingerprint, created_at FROM keyring \
    WHERE state <> 'RETIRED' ORDER BY key_id";

/// What the keyring of an SQLite file holds, whose schema may be that of an older release, or none yet.
pub(super) async fn sqlite_seeds(connection: &mut SqliteConnection) -> Result<Vec<StoredSeed>> {
    const TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'keyring'";
    if number(connection, TABLES).await? == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_as(SEEDS).fetch_all(connection).await.map_err(failure)
}

/// The same of a PostgreSQL database.
pub(super) async fn postgres_seeds(pool: &PgPool) -> Result<Vec<StoredSeed>> {
    const TABLE: &str = "SELECT to_regclass('keyring') IS NOT NULL";
    let there: bool = sqlx::query_scalar(TABLE).fetch_one(pool).await.map_err(failure)?;
    if !there {
        return Ok(Vec::new());
    }
    sqlx::query_as(SEEDS).fetch_all(pool).await.map_err(failure)
}

impl Store {
    /// Every seed that is not retired.
    pub async fn seeds(&self) -> Result<Vec<StoredSeed>> {
        on!(self, pool => sqlx::query_as(SEEDS).fetch_all(pool).await)
    }

    /// Stores the first seed, unless another replica was faster: then nothing happens.
    pub async fn first_seed(&self, seed: StoredSeed) -> Result<()> {
        self.write(seed, |tx, seed| Box::pin(async move { insert_seed(tx, seed).await.map(|_| ()) })).await
    }

    /// Replaces every seed by the same one wrapped with another root key, whose fingerprint this is.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if one was changed or added meanwhile; nothing is replaced then.
    pub async fn rewrap_seeds(
        &self,
        actor: Actor,
        fingerprint: String,
        seeds: Vec<(StoredSeed, StoredSeed)>,
    ) -> Result<()> {
        const SQL: &str = "UPDATE keyring SET wrapped_seed = $3, root_fingerprint = $4 \
            WHERE key_id = $1 AND wrapped_seed = $2";
        const OTHERS: &str =
            "SELECT COUNT(*) FROM keyring WHERE state <> 'RETIRED' AND root_fingerprint <> $1";
        let changed =
            || Error::new(Kind::Conflict, "a server has changed the keyring: stop every server first");
        self.write((actor, fingerprint, seeds), move |tx, (actor, fingerprint, seeds)| {
            Box::pin(async move {
                for (before, after) in seeds {
                    let (wrapped, root) = (&after.wrapped_seed, &after.root_fingerprint);
                    if execute!(tx, SQL, before.key_id, &before.wrapped_seed, wrapped, root)? == 0 {
                        return Err(changed());
                    }
                }
                let others: i64 = on_tx!(tx, conn => sqlx::query_scalar(OTHERS)
                    .bind(fingerprint.as_str()).fetch_one(conn).await)?;
                if others > 0 {
                    return Err(changed());
                }
                let entry = Entry::new("keyring.rewrap", fingerprint.as_str()).with("seeds", seeds.len());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }
}

/// Stores a seed; 0 if there is one of this number already.
pub(super) async fn insert_seed(tx: &mut Tx, seed: &StoredSeed) -> Result<u64> {
    const SQL: &str = "INSERT INTO keyring (key_id, state, wrapped_seed, root_fingerprint, created_at) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    execute!(tx, SQL, seed.key_id, &seed.state, &seed.wrapped_seed, &seed.root_fingerprint, seed.created_at)
}
