//! What each `Idempotency-Key` has made.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    leases::{Lease, hold},
    on,
    tx::{Tx, execute},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        idempotency::{Claim, IdempotencyKey, Once},
    },
    error::{Error, Kind, Result},
};

/// How many expired keys one transaction removes.
const BATCH: u64 = 500;

/// What a key has made.
#[derive(Clone, Debug, FromRow)]
pub struct Remembered {
    /// The seed of the keyring that the MAC's key comes from.
    pub key_id: i64,
    /// Over the request that made it.
    pub request_mac: Vec<u8>,
    /// What was made.
    pub object: String,
}

/// Writes down what the request's key makes, in the transaction that makes it. A request without a key writes
/// nothing.
///
/// # Errors
/// [`Kind::Conflict`] if the key has made something meanwhile; [`Kind::Internal`] if the request is a repeat, which
/// must make nothing.
pub(super) async fn remember(tx: &mut Tx, actor: &Actor, entry: &Entry) -> Result<()> {
    // An expired row that is not swept yet makes room.
    const SQL: &str = "INSERT INTO idempotency (id, organization_id, principal_id, method, idempotency_key, key_id, \
        request_mac, object, runner_id, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        ON CONFLICT (principal_id, method, idempotency_key) DO UPDATE SET id = excluded.id, \
        key_id = excluded.key_id, request_mac = excluded.request_mac, object = excluded.object, \
        runner_id = excluded.runner_id, expires_at = excluded.expires_at WHERE idempotency.expires_at <= $11";
    let Claim { method, key, key_id, request_mac, expires_at } = match &actor.once {
        None => return Ok(()),
        Some(Once::First(claim)) => claim,
        Some(Once::Probe | Once::Again(_)) => {
            return Err(Error::internal("a request that must make nothing made something"));
        }
    };
    let written = execute!(
        tx,
        SQL,
        actor.entry_id,
        actor.organization,
        actor.id,
        *method,
        key.as_str(),
        i64::from(*key_id),
        request_mac,
        &entry.object,
        entry.runner,
        *expires_at,
        actor.at,
    )?;
    match written {
        0 => Err(Error::new(Kind::Conflict, "a request with this Idempotency-Key was faster")),
        _ => Ok(()),
    }
}

impl Store {
    /// What a principal's key has made by a method, unless it is expired at `now`.
    pub async fn remembered(
        &self,
        principal: Uuid,
        (method, key): (&'static str, &IdempotencyKey),
        now: Instant,
    ) -> Result<Option<Remembered>> {
        const SQL: &str = "SELECT key_id, request_mac, object FROM idempotency \
            WHERE principal_id = $1 AND method = $2 AND idempotency_key = $3 AND expires_at > $4";
        on!(self, pool => sqlx::query_as(SQL)
            .bind(principal).bind(method).bind(key.as_str()).bind(now).fetch_optional(pool).await)
    }

    /// Whether any key is expired at `now`.
    pub async fn has_expired_keys(&self, now: Instant) -> Result<bool> {
        const SQL: &str = "SELECT id FROM idempotency WHERE expires_at <= $1 LIMIT 1";
        let found: Option<Uuid> =
            on!(self, pool => sqlx::query_scalar(SQL).bind(now).fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// Removes some of the keys that are expired at `now`. `false`: there are no more.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if the lease was lost.
    pub async fn sweep_keys(&self, lease: Lease, now: Instant) -> Result<bool> {
        const SQL: &str = "DELETE FROM idempotency WHERE id IN \
            (SELECT id FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
        self.write((lease, now), move |tx, (lease, now)| {
            Box::pin(async move {
                hold(tx, lease).await?;
                Ok(execute!(tx, SQL, *now, most)? == BATCH)
            })
        })
        .await
    }
}
