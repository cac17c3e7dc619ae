//! The public keys of runners.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    changes::{Operation, lock_runner, log_audit, log_change},
    on,
    tx::{Tx, changed_meanwhile, execute, on_tx},
    wipe::wipe,
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        change::ObjectKind,
        id::{OrganizationId, RunnerId},
        page::{Page, PageRequest},
        runner_key::{KeyAlgorithm, KeyState, RunnerKey},
        secret::Kid,
    },
    error::{Error, Kind, Result},
};

/// A key's columns, all absent where a join found none.
#[derive(FromRow)]
#[expect(clippy::struct_field_names, reason = "columns of a join need a prefix")]
pub(super) struct KeyRow {
    key_kid: Option<Kid>,
    key_runner_id: Option<RunnerId>,
    key_state: Option<KeyState>,
    key_algorithm: Option<KeyAlgorithm>,
    key_bits: Option<i64>,
    key_public_key: Option<Vec<u8>>,
    key_created_at: Option<Instant>,
    key_activated_at: Option<Instant>,
    key_revoked_at: Option<Instant>,
    key_revocation_reason: Option<String>,
}

impl KeyRow {
    pub(super) fn key(self) -> Option<RunnerKey> {
        Some(RunnerKey {
            kid: self.key_kid?,
            runner: self.key_runner_id?,
            state: self.key_state?,
            algorithm: self.key_algorithm?,
            bits: u32::try_from(self.key_bits?).ok()?,
            public_key: self.key_public_key?,
            created_at: self.key_created_at?,
            activated_at: self.key_activated_at,
            revoked_at: self.key_revoked_at,
            revocation_reason: self.key_revocation_reason.unwrap_or_default(),
        })
    }
}

#[derive(FromRow)]
struct Ordered {
    id: Uuid,
    #[sqlx(flatten)]
    key: KeyRow,
}

macro_rules! select_key {
    ($where:literal) => {
        concat!(
            "SELECT id, kid AS key_kid, runner_id AS key_runner_id, state AS key_state, \
             algorithm AS key_algorithm, bits AS key_bits, public_key AS key_public_key, \
             created_at AS key_created_at, activated_at AS key_activated_at, revoked_at AS key_revoked_at, \
             revocation_reason AS key_revocation_reason FROM runner_key ",
            $where
        )
    };
}

pub(super) const LIST: &str = select_key!("WHERE runner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");

/// Makes room for a new ACTIVE key: the present one, if any, retires.
pub(super) async fn activate(tx: &mut Tx, actor: &Actor, runner: RunnerId, kid: &Kid) -> Result<()> {
    const RETIRE: &str = "UPDATE runner_key SET state = 'RETIRING' WHERE runner_id = $1 AND state = 'ACTIVE'";
    const ACTIVATE: &str = "UPDATE runner_key SET state = 'ACTIVE', activated_at = $3 \
        WHERE runner_id = $1 AND kid = $2 AND state = 'PENDING'";
    const REGISTERED: &str = "UPDATE runner SET registered = $2 WHERE id = $1";
    // Also takes the lock of the runner's row, before any key of it changes.
    log_change(tx, actor, runner, Operation::Put, (ObjectKind::Runner, runner.0)).await?;
    execute!(tx, RETIRE, runner)?;
    if execute!(tx, ACTIVATE, runner, kid, actor.at)? == 0 {
        return Err(Error::new(Kind::Precondition, "only a PENDING key can become ACTIVE"));
    }
    execute!(tx, REGISTERED, runner, true)?;
    retire_unused_keys(tx, runner).await
}

/// A RETIRING key that no ciphertext names any more is RETIRED.
pub(super) async fn retire_unused_keys(tx: &mut Tx, runner: RunnerId) -> Result<()> {
    const SQL: &str = "UPDATE runner_key SET state = 'RETIRED' WHERE runner_id = $1 AND state = 'RETIRING' \
        AND NOT EXISTS (SELECT 1 FROM scm_integration i WHERE i.runner_id = $1 AND i.kid = runner_key.kid) \
        AND NOT EXISTS (SELECT 1 FROM sealed_secret s WHERE s.runner_id = $1 AND s.kid = runner_key.kid) \
        AND NOT EXISTS (SELECT 1 FROM runner r WHERE r.id = $1 AND r.honeycomb_kid = runner_key.kid)";
    execute!(tx, SQL, runner).map(|_| ())
}

/// What is sealed must be sealed with the key that is ACTIVE at the commit, or an agent told to shred the
/// old one could not open it. The runner's row must be locked by now, so that this cannot change any more.
///
/// # Errors
/// [`Kind::Conflict`] if the runner's ACTIVE key is another one, or there is none.
pub(super) async fn require_active(tx: &mut Tx, runner: RunnerId, sealed_with: Option<&Kid>) -> Result<()> {
    const SQL: &str = "SELECT kid FROM runner_key WHERE runner_id = $1 AND state = 'ACTIVE'";
    let Some(sealed_with) = sealed_with else { return Ok(()) };
    let active =
        on_tx!(tx, conn => sqlx::query_scalar::<_, Kid>(SQL).bind(runner).fetch_optional(conn).await)?;
    if active.as_ref() == Some(sealed_with) { Ok(()) } else { Err(changed_meanwhile()) }
}

async fn find(tx: &mut Tx, organization: OrganizationId, kid: &Kid) -> Result<Option<RunnerKey>> {
    const SQL: &str = select_key!("WHERE organization_id = $1 AND kid = $2");
    let row: Option<Ordered> =
        on_tx!(tx, conn => sqlx::query_as(SQL).bind(organization).bind(kid).fetch_optional(conn).await)?;
    Ok(row.and_then(|row| row.key.key()))
}

impl Store {
    /// A key of the organization.
    pub async fn runner_key(&self, organization: OrganizationId, kid: Kid) -> Result<Option<RunnerKey>> {
        const SQL: &str = select_key!("WHERE organization_id = $1 AND kid = $2");
        let row: Option<Ordered> =
            on!(self, pool => sqlx::query_as(SQL).bind(organization).bind(&kid).fetch_optional(pool).await)?;
        Ok(row.and_then(|row| row.key.key()))
    }

    /// Whether the organization has ever revoked that key.
    pub async fn is_revoked(&self, organization: OrganizationId, kid: Kid) -> Result<bool> {
        const SQL: &str = "SELECT revoked_at FROM revoked_key WHERE organization_id = $1 AND kid = $2";
        let found: Option<Instant> = on!(self, pool => sqlx::query_scalar(SQL).bind(organization).bind(&kid).fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// A page of a runner's keys, newest first; the page's position is read as "before".
    pub async fn runner_keys(&self, runner: RunnerId, page: PageRequest) -> Result<Page<RunnerKey>> {
        let before = if page.after.0.is_nil() { Uuid::max() } else { page.after.0 };
        let rows: Vec<Ordered> = on!(self, pool => sqlx::query_as(LIST)
            .bind(runner).bind(before).bind(page.size.with_lookahead()).fetch_all(pool).await)?;
        let page = Page::cut(rows, page.size, |row| row.id);
        let rows = page.rows.into_iter().filter_map(|row| row.key.key()).collect();
        Ok(Page { rows, next: page.next })
    }

    /// Makes a PENDING key ACTIVE.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone, [`Kind::Precondition`] if it is not PENDING.
    pub async fn approve_key(&self, actor: Actor, kid: Kid) -> Result<RunnerKey> {
        self.write((actor, kid), |tx, (actor, kid)| {
            Box::pin(async move {
                let gone = || Error::not_found("key");
                let key = find(tx, actor.organization, kid).await?.ok_or_else(gone)?;
                activate(tx, actor, key.runner, kid).await?;
                let entry = Entry::new("runner_key.approve", kid).of_runner(key.runner);
                log_audit(tx, actor, &entry).await?;
                find(tx, actor.organization, kid).await?.ok_or_else(gone)
            })
        })
        .await
    }

    /// Revokes a key and wipes everything sealed with it; how many secrets that were. Revoking again
    /// changes nothing.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone.
    pub async fn revoke_key(&self, actor: Actor, kid: Kid, reason: String) -> Result<(RunnerKey, u32)> {
        const REVOKE: &str = "UPDATE runner_key SET state = 'REVOKED', revoked_at = $3, revocation_reason = $4 \
            WHERE organization_id = $1 AND kid = $2";
        const REMEMBER: &str =
            "INSERT INTO revoked_key (organization_id, kid, revoked_at) VALUES ($1, $2, $3)";
        self.write((actor, kid, reason), |tx, (actor, kid, reason)| {
            Box::pin(async move {
                let gone = || Error::not_found("key");
                let key = find(tx, actor.organization, kid).await?.ok_or_else(gone)?;
                lock_runner(tx, actor, key.runner).await?;
                let key = find(tx, actor.organization, kid).await?.ok_or_else(gone)?;
                if key.state == KeyState::Revoked {
                    return Ok((key, 0));
                }
                log_change(tx, actor, key.runner, Operation::Put, (ObjectKind::Runner, key.runner.0)).await?;
                execute!(tx, REVOKE, actor.organization, kid, actor.at, reason)?;
                execute!(tx, REMEMBER, actor.organization, kid, actor.at)?;
                let wiped = wipe(tx, actor, key.runner, kid).await?;
                // What went with a wiped secret may have been the last of another key.
                retire_unused_keys(tx, key.runner).await?;
                let entry = Entry::new("runner_key.revoke", kid)
                    .of_runner(key.runner)
                    .with("reason", reason.as_str())
                    .with("rotate_at_scm", wiped);
                log_audit(tx, actor, &entry).await?;
                Ok((find(tx, actor.organization, kid).await?.ok_or_else(gone)?, wiped))
            })
        })
        .await
    }
}
