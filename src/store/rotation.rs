//! Rotation of the keyring: the states of its seeds, what still names them, and the records to be sealed again.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store, StoredSeed,
    changes::log_audit,
    keyring::insert_seed,
    on,
    tx::{Tx, dialect, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::audit::{Actor, Entry},
    error::{Error, Kind, Result},
};

/// What is kept sealed with the keyring. Every record names its seed in the bytes after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedColumn {
    /// Runners' metrics passwords.
    MetricsPassword,
    /// Access tokens of members' accounts.
    AccessToken,
}

/// A record and what it is bound to.
#[derive(Clone, Debug, FromRow)]
pub struct SealedRecord {
    /// Its row.
    pub row_id: Uuid,
    /// Whose row it is.
    pub owner_id: Uuid,
    /// The origin it may be sent to; empty if it is bound to none.
    pub origin: String,
    /// The record.
    pub record: Vec<u8>,
}

/// A seed and where it is in its life; retired ones, too.
#[derive(Clone, Debug, FromRow)]
pub struct SeedRow {
    /// Its number.
    pub key_id: i64,
    /// `ACTIVE`, `DECRYPT_ONLY` or `RETIRED`.
    pub state: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it ceased to be ACTIVE.
    pub demoted_at: Option<Instant>,
    /// When every record had been sealed again under it.
    pub resealed_at: Option<Instant>,
}

const FIND: &str = "SELECT state FROM keyring WHERE key_id = $1";

macro_rules! passwords {
    ($rest:literal) => {
        concat!(
            "SELECT id AS row_id, id AS owner_id, '' AS origin, metrics_password AS record FROM runner \
             WHERE metrics_password IS NOT NULL AND ",
            $rest
        )
    };
}
macro_rules! tokens {
    ($rest:literal) => {
        concat!(
            "SELECT id AS row_id, member_id AS owner_id, origin, access_token AS record FROM scm_account WHERE ",
            $rest
        )
    };
}

impl SealedColumn {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::MetricsPassword, Self::AccessToken];

    /// Its name in audit entries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MetricsPassword => "runner.metrics_password",
            Self::AccessToken => "scm_account.access_token",
        }
    }

    const fn stale(self) -> &'static str {
        match self {
            Self::MetricsPassword => {
                passwords!("id > $1 AND substr(metrics_password, 2, 4) <> $2 ORDER BY id LIMIT $3")
            }
            Self::AccessToken => tokens!("id > $1 AND substr(access_token, 2, 4) <> $2 ORDER BY id LIMIT $3"),
        }
    }

    const fn of_seed(self) -> &'static str {
        match self {
            Self::MetricsPassword => passwords!("substr(metrics_password, 2, 4) = $1 LIMIT $2"),
            Self::AccessToken => tokens!("substr(access_token, 2, 4) = $1 LIMIT $2"),
        }
    }

    const fn count_by_seed(self) -> &'static str {
        match self {
            Self::MetricsPassword => {
                "SELECT substr(metrics_password, 2, 4), count(*) FROM runner \
                 WHERE metrics_password IS NOT NULL GROUP BY 1"
            }
            Self::AccessToken => "SELECT substr(access_token, 2, 4), count(*) FROM scm_account GROUP BY 1",
        }
    }

    const fn swap(self) -> &'static str {
        match self {
            Self::MetricsPassword => {
                "UPDATE runner SET metrics_password = $3 WHERE id = $1 AND metrics_password = $2"
            }
            Self::AccessToken => {
                "UPDATE scm_account SET access_token = $3 WHERE id = $1 AND access_token = $2"
            }
        }
    }
}

impl Store {
    /// Every seed there ever was, oldest first.
    pub async fn seed_rows(&self) -> Result<Vec<SeedRow>> {
        const SQL: &str =
            "SELECT key_id, state, created_at, demoted_at, resealed_at FROM keyring ORDER BY key_id";
        on!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await)
    }

    /// Stores a further seed, unless another server was faster: then nothing happens.
    pub async fn add_seed(&self, actor: Actor, seed: StoredSeed) -> Result<()> {
        self.write((actor, seed), |tx, (actor, seed)| {
            Box::pin(async move {
                if insert_seed(tx, seed).await? == 0 {
                    return Ok(());
                }
                log_audit(tx, actor, &Entry::new("keyring.add_seed", &seed.key_id)).await
            })
        })
        .await
    }

    /// Makes a seed the ACTIVE one, instead of an older one. Nothing happens if it is, or was.
    pub async fn activate_seed(&self, actor: Actor, key_id: u32) -> Result<()> {
        const DEMOTE: &str = "UPDATE keyring SET state = 'DECRYPT_ONLY', demoted_at = $2 \
            WHERE state = 'ACTIVE' AND key_id < $1";
        const ACTIVATE: &str = "UPDATE keyring SET state = 'ACTIVE' WHERE key_id = $1 \
            AND state = 'DECRYPT_ONLY' AND demoted_at IS NULL";
        self.write((actor, i64::from(key_id)), |tx, (actor, key_id)| {
            Box::pin(async move {
                if execute!(tx, DEMOTE, *key_id, actor.at)? == 0 {
                    return Ok(());
                }
                if execute!(tx, ACTIVATE, *key_id)? == 0 {
                    return Err(Error::new(Kind::Conflict, "the keyring was changed meanwhile; try again"));
                }
                log_audit(tx, actor, &Entry::new("keyring.activate_seed", key_id)).await
            })
        })
        .await
    }

    /// Records after row `after` that need another seed than `active`, at most `limit`, in the order of their rows.
    pub async fn stale_records(
        &self,
        column: SealedColumn,
        active: u32,
        (after, limit): (Uuid, u16),
    ) -> Result<Vec<SealedRecord>> {
        let active = active.to_be_bytes().to_vec();
        on!(self, pool => sqlx::query_as(column.stale())
            .bind(after).bind(&active).bind(i64::from(limit)).fetch_all(pool).await)
    }

    /// How many records of a column each seed has. What is too short to name one counts for number 0.
    pub async fn records_by_seed(&self, column: SealedColumn) -> Result<Vec<(u32, u64)>> {
        let rows: Vec<(Vec<u8>, i64)> =
            on!(self, pool => sqlx::query_as(column.count_by_seed()).fetch_all(pool).await)?;
        let named = |id: Vec<u8>| id.try_into().map_or(0, u32::from_be_bytes);
        Ok(rows.into_iter().map(|(id, count)| (named(id), count.unsigned_abs())).collect())
    }

    /// Some records of a seed, at most `limit`.
    pub async fn records_of_seed(
        &self,
        column: SealedColumn,
        key_id: u32,
        limit: u16,
    ) -> Result<Vec<SealedRecord>> {
        let seed = key_id.to_be_bytes().to_vec();
        on!(self, pool => sqlx::query_as(column.of_seed())
            .bind(&seed).bind(i64::from(limit)).fetch_all(pool).await)
    }

    /// How many links of audit chains, and how many idempotency keys, each seed has made: (seed, count).
    pub async fn derived_by_seed(&self) -> Result<[Vec<(i64, i64)>; 2]> {
        const LINKS: &str = "SELECT key_id, count(*) FROM audit_link GROUP BY key_id";
        const KEYS: &str = "SELECT key_id, count(*) FROM idempotency GROUP BY key_id";
        Ok([
            on!(self, pool => sqlx::query_as(LINKS).fetch_all(pool).await)?,
            on!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?,
        ])
    }

    /// Replaces records, each (row, old, new), that are still the old ones; how many were.
    pub async fn swap_records(
        &self,
        actor: Actor,
        column: SealedColumn,
        records: Vec<(Uuid, Vec<u8>, Vec<u8>)>,
    ) -> Result<u64> {
        self.write((actor, records), move |tx, (actor, records)| {
            Box::pin(async move {
                let mut swapped = 0;
                for (row, old, new) in records {
                    swapped += execute!(tx, column.swap(), *row, old, new)?;
                }
                if swapped > 0 {
                    let entry = Entry::new("keyring.reseal", column.name()).with("records", swapped);
                    log_audit(tx, actor, &entry).await?;
                }
                Ok(swapped)
            })
        })
        .await
    }

    /// Writes down that every record that can be opened is sealed under a seed.
    pub async fn finish_rotation(&self, actor: Actor, key_id: u32, unreadable: u64) -> Result<()> {
        const SQL: &str = "UPDATE keyring SET resealed_at = $2 WHERE key_id = $1 AND resealed_at IS NULL";
        self.write((actor, i64::from(key_id), unreadable), |tx, (actor, key_id, unreadable)| {
            Box::pin(async move {
                if execute!(tx, SQL, *key_id, actor.at)? == 0 {
                    return Ok(());
                }
                let entry = Entry::new("keyring.rotate", key_id).with("unreadable", *unreadable);
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Retires and wipes a seed that ceased to be ACTIVE before `before`, if nothing that is stored names it.
    /// `false`: something does.
    pub async fn retire_seed(&self, actor: Actor, key_id: u32, before: Instant) -> Result<bool> {
        // What is written meanwhile under the seed waits for this lock, or this waits for it.
        const FIND_LOCKED: &str = "SELECT state FROM keyring WHERE key_id = $1 FOR UPDATE";
        const SQL: &str = "UPDATE keyring SET state = 'RETIRED', wrapped_seed = $3 WHERE key_id = $1 \
            AND state = 'DECRYPT_ONLY' AND demoted_at <= $2 \
            AND NOT EXISTS (SELECT 1 FROM runner WHERE metrics_password IS NOT NULL \
                AND substr(metrics_password, 2, 4) = $4) \
            AND NOT EXISTS (SELECT 1 FROM scm_account WHERE substr(access_token, 2, 4) = $4) \
            AND NOT EXISTS (SELECT 1 FROM live_call \
                WHERE substr(request, 2, 4) = $4 OR substr(answer, 2, 4) = $4) \
            AND NOT EXISTS (SELECT 1 FROM idempotency WHERE key_id = $1) \
            AND NOT EXISTS (SELECT 1 FROM audit_link WHERE key_id = $1)";
        let named = key_id.to_be_bytes().to_vec();
        self.write((actor, i64::from(key_id), before, named), |tx, (actor, key_id, before, named)| {
            Box::pin(async move {
                let find = dialect(tx, FIND, FIND_LOCKED);
                execute!(tx, find, *key_id)?;
                if execute!(tx, SQL, *key_id, *before, Vec::<u8>::new(), named)? == 0 {
                    return Ok(false);
                }
                log_audit(tx, actor, &Entry::new("keyring.retire_seed", key_id)).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// Makes sure that the seed of a record that is about to be stored is not retired, and stays so until this
/// transaction ends.
///
/// # Errors
/// [`Kind::Conflict`] if it is: the record was sealed by a server that has not heard of a rotation for a day.
pub(super) async fn require_seed(tx: &mut Tx, record: Option<&[u8]>) -> Result<()> {
    const FIND_LOCKED: &str = "SELECT state FROM keyring WHERE key_id = $1 FOR SHARE";
    let named = record.and_then(|record| record.get(1..)).and_then(<[u8]>::first_chunk::<4>);
    let Some(key_id) = named.map(|bytes| i64::from(u32::from_be_bytes(*bytes))) else { return Ok(()) };
    let sql = dialect(tx, FIND, FIND_LOCKED);
    let state = on_tx!(tx, conn => sqlx::query_scalar::<_, String>(sql)
        .bind(key_id).fetch_optional(conn).await)?;
    if state.as_deref() == Some("RETIRED") {
        return Err(Error::new(Kind::Conflict, "the keyring was changed meanwhile; try again"));
    }
    Ok(())
}
