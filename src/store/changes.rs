//! The change log of a runner and the audit log: rows written inside the change's own transaction.
use uuid::Uuid;

use super::{
    idempotency::remember,
    signals::Signal,
    tx::{Tx, dialect, execute, on_tx},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        change::ObjectKind,
        id::RunnerId,
    },
    error::{Error, Result},
};

/// What happened to an object that a runner sees.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Put,
    Delete,
}

impl Operation {
    /// The name that the change log stores.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Takes the runner's next revision and logs the change under it. The row lock of the runner makes the
/// order of revisions the order of commits.
pub(super) async fn log_change(
    tx: &mut Tx,
    actor: &Actor,
    runner: RunnerId,
    operation: Operation,
    (kind, object): (ObjectKind, Uuid),
) -> Result<()> {
    const SQLITE: &str = "UPDATE runner SET revision = revision + 1 WHERE id = $1 AND organization_id = $2; \
        INSERT INTO configuration_change \
        (runner_id, revision, changed_at, operation, object_kind, object_id) \
        SELECT id, revision, $3, $4, $5, $6 FROM runner WHERE id = $1 AND organization_id = $2";
    const POSTGRES: &str = "WITH next AS (UPDATE runner SET revision = revision + 1 \
        WHERE id = $1 AND organization_id = $2 RETURNING id, revision) \
        INSERT INTO configuration_change \
        (runner_id, revision, changed_at, operation, object_kind, object_id) \
        SELECT id, revision, $3, $4, $5, $6 FROM next";
    let sql = dialect(tx, SQLITE, POSTGRES);
    if execute!(tx, sql, runner, actor.organization, actor.at, operation.name(), kind.name(), object)? == 0 {
        return Err(Error::not_found("runner"));
    }
    tx.signals.push(Signal::Changed(runner));
    Ok(())
}

/// Adds to the change that was just logged whose credential it is about, and where: once it is deleted, an
/// agent knows it by nothing else.
pub(super) async fn name_credential(tx: &mut Tx, runner: RunnerId, host: &str, subject: Uuid) -> Result<()> {
    const SQL: &str = "UPDATE configuration_change SET host = $2, subject_id = $3 WHERE runner_id = $1 \
        AND revision = (SELECT revision FROM runner WHERE id = $1)";
    execute!(tx, SQL, runner, host, subject).map(|_| ())
}

/// The same for a credential whose host and subject are stored.
pub(super) async fn name_stored_credential(tx: &mut Tx, runner: RunnerId, id: Uuid) -> Result<()> {
    const SQL: &str = "UPDATE configuration_change SET host = (SELECT host FROM host_token WHERE id = $2), \
        subject_id = (SELECT subject_id FROM host_token WHERE id = $2) WHERE runner_id = $1 \
        AND revision = (SELECT revision FROM runner WHERE id = $1)";
    execute!(tx, SQL, runner, id).map(|_| ())
}

/// Locks a runner's row until the transaction ends, for a step that must look before it changes anything.
/// Everything that changes what a runner sees takes this lock first, so nobody waits in a circle.
/// `false`: there is no such runner in the organization.
pub(super) async fn lock_runner(tx: &mut Tx, actor: &Actor, runner: RunnerId) -> Result<bool> {
    const FIND: &str = "SELECT revision FROM runner WHERE id = $1 AND organization_id = $2";
    const FIND_LOCKED: &str = "SELECT revision FROM runner WHERE id = $1 AND organization_id = $2 FOR UPDATE";
    let sql = dialect(tx, FIND, FIND_LOCKED);
    let found = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(sql)
        .bind(runner).bind(actor.organization).fetch_optional(conn).await)?;
    Ok(found.is_some())
}

/// Writes one audit entry, and with it what the key of the request has made, if it has one.
pub(super) async fn log_audit(tx: &mut Tx, actor: &Actor, entry: &Entry) -> Result<()> {
    const SQL: &str = "INSERT INTO audit_entry \
        (id, organization_id, at, actor_kind, actor_id, token_id, action, object, details) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let details = serde_json::to_string(&entry.details).map_err(Error::internal)?;
    execute!(
        tx,
        SQL,
        actor.entry_id,
        actor.organization,
        actor.at,
        actor.kind,
        actor.id,
        &actor.token,
        entry.action,
        &entry.object,
        &details,
    )?;
    remember(tx, actor, entry).await
}
