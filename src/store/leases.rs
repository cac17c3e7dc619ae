//! Leases: which process does a background job, and proof of it inside of the job's writes.
use uuid::Uuid;

use super::{
    Store,
    tx::{Tx, dialect, on_tx},
};
use crate::{
    clock::Instant,
    error::{Error, Kind, Result},
};

/// A lease that was taken. It may have been lost meanwhile: writes prove it with `hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    name: &'static str,
    fence: i64,
}

impl Store {
    /// Takes or renews the lease of a job for `holder`, until `until`. `None`: another holder has it, and it has
    /// not expired at `now`.
    pub async fn lease(
        &self,
        name: &'static str,
        holder: Uuid,
        (now, until): (Instant, Instant),
    ) -> Result<Option<Lease>> {
        const SQL: &str = "INSERT INTO job_lease (name, holder, fence, expires_at) VALUES ($1, $2, 1, $3) \
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = job_lease.fence + 1, \
            expires_at = excluded.expires_at \
            WHERE job_lease.holder = excluded.holder OR job_lease.expires_at <= $4 RETURNING fence";
        self.write((holder, now, until), move |tx, (holder, now, until)| {
            Box::pin(async move {
                let fence = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(SQL)
                    .bind(name).bind(holder).bind(until).bind(now).fetch_optional(conn).await)?;
                Ok(fence.map(|fence| Lease { name, fence }))
            })
        })
        .await
    }
}

/// Makes sure that `lease` is still the last one taken, and that none is taken before this transaction ends.
///
/// # Errors
/// [`Kind::Conflict`] if it is not: nothing may be written then.
pub(super) async fn hold(tx: &mut Tx, lease: &Lease) -> Result<()> {
    const FIND: &str = "SELECT fence FROM job_lease WHERE name = $1";
    const FIND_LOCKED: &str = "SELECT fence FROM job_lease WHERE name = $1 FOR UPDATE";
    let sql = dialect(tx, FIND, FIND_LOCKED);
    let fence = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(sql)
        .bind(lease.name).fetch_optional(conn).await)?;
    if fence == Some(lease.fence) {
        return Ok(());
    }
    Err(Error::new(Kind::Conflict, "another server has taken this job over"))
}
