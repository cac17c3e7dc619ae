//! Runner policies, and what they give a member.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    changes::{lock_runner, log_audit},
    groups::lock_group,
    on,
    tx::{Tx, dialect, execute, on_tx},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        id::{GroupId, RunnerId, UserId},
        page::{Page, PageRequest},
        runner_policy::{RunnerPolicy, RunnerRole},
    },
    error::{Error, Kind, Result},
};

/// The runners that policies give a member, `$1`, a role on.
macro_rules! granted_runners {
    () => {
        "SELECT p.runner_id FROM group_membership s JOIN runner_policy p ON p.group_id = s.group_id \
         WHERE s.member_id = $1"
    };
}
/// The highest role that policies give a member, `$1`, on a runner: ADMIN comes before USER.
macro_rules! granted_role {
    ($runner:literal) => {
        concat!(
            "(SELECT min(p.role) FROM group_membership s JOIN runner_policy p ON p.group_id = s.group_id \
             WHERE s.member_id = $1 AND p.runner_id = ",
            $runner,
            ")"
        )
    };
}
pub(super) use {granted_role, granted_runners};

pub(super) const LIST: &str = "SELECT id, group_id, role FROM runner_policy \
    WHERE runner_id = $1 AND id > $2 ORDER BY id LIMIT $3";

#[derive(FromRow)]
struct PolicyRow {
    id: Uuid,
    group_id: GroupId,
    role: RunnerRole,
}

impl Store {
    /// The highest role that policies give a member on a runner.
    pub async fn runner_role(&self, member: UserId, runner: RunnerId) -> Result<Option<RunnerRole>> {
        const SQL: &str = concat!("SELECT ", granted_role!("$2"));
        on!(self, pool => sqlx::query_scalar(SQL).bind(member).bind(runner).fetch_one(pool).await)
    }

    /// Gives a group of the organization a role on a runner. `id` orders the list.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the runner or the group is not there, [`Kind::AlreadyExists`] if the group has a
    /// role on it.
    pub async fn create_runner_policy(&self, actor: Actor, id: Uuid, policy: RunnerPolicy) -> Result<()> {
        const SQL: &str = "INSERT INTO runner_policy (id, organization_id, runner_id, group_id, role) \
            VALUES ($1, $2, $3, $4, $5)";
        self.write((actor, id, policy), |tx, (actor, id, policy)| {
            Box::pin(async move {
                let RunnerPolicy { runner, group, role } = *policy;
                if !lock_runner(tx, actor, runner).await? {
                    return Err(Error::not_found("runner"));
                }
                lock_group(tx, actor, group).await?.ok_or_else(|| Error::not_found("group"))?;
                execute!(tx, SQL, *id, actor.organization, runner, group, role).map_err(existing)?;
                audit(tx, actor, "runner_policy.create", policy).await
            })
        })
        .await
    }

    /// Changes a group's role on a runner of the organization; the same role leaves no trace. `false`: it has
    /// none.
    pub async fn update_runner_policy(&self, actor: Actor, policy: RunnerPolicy) -> Result<bool> {
        const SQL: &str = "UPDATE runner_policy SET role = $3 WHERE runner_id = $1 AND group_id = $2";
        self.write((actor, policy), |tx, (actor, policy)| {
            Box::pin(async move {
                match stored(tx, actor, policy.runner, policy.group).await? {
                    None => return Ok(false),
                    Some(role) if role == policy.role => return Ok(true),
                    Some(_) => {}
                }
                execute!(tx, SQL, policy.runner, policy.group, policy.role)?;
                audit(tx, actor, "runner_policy.update", policy).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Takes a group's role on a runner of the organization. `false`: it has none.
    pub async fn delete_runner_policy(&self, actor: Actor, runner: RunnerId, group: GroupId) -> Result<bool> {
        const SQL: &str = "DELETE FROM runner_policy WHERE runner_id = $1 AND group_id = $2";
        self.write((actor, runner, group), |tx, (actor, runner, group)| {
            Box::pin(async move {
                let Some(role) = stored(tx, actor, *runner, *group).await? else { return Ok(false) };
                if execute!(tx, SQL, *runner, *group)? == 0 {
                    return Ok(false);
                }
                let policy = RunnerPolicy { runner: *runner, group: *group, role };
                audit(tx, actor, "runner_policy.delete", &policy).await?;
                Ok(true)
            })
        })
        .await
    }

    /// A page of a runner's policies, oldest first.
    pub async fn runner_policies(&self, runner: RunnerId, page: PageRequest) -> Result<Page<RunnerPolicy>> {
        let rows: Vec<PolicyRow> = on!(self, pool => sqlx::query_as(LIST)
            .bind(runner).bind(page.after.0).bind(page.size.with_lookahead()).fetch_all(pool).await)?;
        let page = Page::cut(rows, page.size, |row| row.id);
        Ok(page.map(|row| RunnerPolicy { runner, group: row.group_id, role: row.role }))
    }
}

/// A group's role on a runner of the organization, which nobody else changes until the transaction ends.
async fn stored(tx: &mut Tx, actor: &Actor, runner: RunnerId, group: GroupId) -> Result<Option<RunnerRole>> {
    const FIND: &str =
        "SELECT role FROM runner_policy WHERE runner_id = $1 AND group_id = $2 AND organization_id = $3";
    const FIND_LOCKED: &str = "SELECT role FROM runner_policy \
        WHERE runner_id = $1 AND group_id = $2 AND organization_id = $3 FOR UPDATE";
    let sql = dialect(tx, FIND, FIND_LOCKED);
    on_tx!(tx, conn => sqlx::query_scalar::<_, RunnerRole>(sql)
        .bind(runner).bind(group).bind(actor.organization).fetch_optional(conn).await)
}

async fn audit(tx: &mut Tx, actor: &Actor, action: &'static str, policy: &RunnerPolicy) -> Result<()> {
    let role = match policy.role {
        RunnerRole::Admin => "ADMIN",
        RunnerRole::User => "USER",
    };
    let entry = Entry::new(action, &policy.runner)
        .of_runner(policy.runner)
        .with("group", policy.group.to_string())
        .with("role", role);
    log_audit(tx, actor, &entry).await
}

fn existing(error: Error) -> Error {
    match error.kind() {
        Kind::AlreadyExists => Error::new(Kind::AlreadyExists, "the group already has a role on this runner")
            .blaming("group_id", "sealink.unique"),
        _ => error,
    }
}
