//! The end of a flow that connects an account: what its user may do by then, and the host token it makes.
use sqlx::FromRow;

use super::{
    Store,
    changes::{lock_runner, log_audit},
    host_tokens::{NewHostTokenRow, Row, described, insert_new, remove, select_host_token},
    integrations::integration_of,
    on,
    runner_keys::retire_unused_keys,
    runner_policies::granted_role,
    tx::{Tx, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        access::RunnerFacts,
        audit::Actor,
        oauth_ticket::{Ended, OauthTicket, Standing},
        runner_policy::RunnerRole,
        user::Role,
    },
    error::Result,
};

/// No row: the user was disabled, or its token was revoked or has ended.
const STANDING: &str = concat!(
    "SELECT m.role, ",
    granted_role!("$2"),
    " AS granted FROM member m JOIN token t ON t.member_id = m.id \
     WHERE m.id = $1 AND m.organization_id = $3 AND m.disabled_at IS NULL AND t.token_id = $4 \
     AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $5)"
);

#[derive(FromRow)]
struct StandingRow {
    role: Role,
    granted: Option<RunnerRole>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self { role: row.role, granted: row.granted }
    }
}

impl Store {
    /// What is left to a flow's user at `now`; `None` if nobody may act with the flow's token.
    pub async fn oauth_standing(&self, ticket: &OauthTicket, now: Instant) -> Result<Option<Standing>> {
        let row: Option<StandingRow> = on!(self, pool => sqlx::query_as(STANDING)
            .bind(ticket.user).bind(ticket.runner).bind(ticket.organization).bind(&ticket.token).bind(now)
            .fetch_optional(pool).await)?;
        Ok(row.map(Standing::from))
    }

    /// Stores the host token of a flow in place of whatever its user had for the same runner and host, if the user
    /// may have it still: rights and app are asked for again in the transaction that stores it.
    ///
    /// # Errors
    /// Those of [`Ended`]; [`Kind::Conflict`](crate::error::Kind::Conflict) if the runner's key was replaced
    /// meanwhile.
    pub async fn connect_host_token(
        &self,
        actor: Actor,
        ticket: OauthTicket,
        runner: RunnerFacts,
        new: NewHostTokenRow,
    ) -> Result<()> {
        const OLD: &str = select_host_token!("WHERE runner_id = $1 AND host_key = $2 AND subject_id = $3");
        self.write((actor, ticket, runner, new), |tx, (actor, ticket, runner, new)| {
            Box::pin(async move {
                let token = &new.token;
                if !lock_runner(tx, actor, token.runner).await? {
                    return Err(Ended::Changed.into());
                }
                require(tx, actor, ticket, runner).await?;
                let old: Option<Row> = on_tx!(tx, conn => sqlx::query_as(OLD)
                    .bind(token.runner).bind(token.host.key()).bind(token.subject.id)
                    .fetch_optional(conn).await)?;
                if let Some((old, _)) = old.map(Row::decode).transpose()? {
                    remove(tx, actor, &old).await?;
                }
                insert_new(tx, actor, runner.creator, new).await?;
                retire_unused_keys(tx, token.runner).await?;
                log_audit(tx, actor, &described("host_token.connect", token)).await
            })
        })
        .await
    }
}

/// Refuses a flow that has lost what it stands on.
async fn require(tx: &mut Tx, actor: &Actor, ticket: &OauthTicket, runner: &RunnerFacts) -> Result<()> {
    let standing: Option<StandingRow> = on_tx!(tx, conn => sqlx::query_as(STANDING)
        .bind(ticket.user).bind(ticket.runner).bind(ticket.organization).bind(&ticket.token).bind(actor.at)
        .fetch_optional(conn).await)?;
    ticket.stands(standing.map(Standing::from), runner)?;
    let integration = integration_of(tx, ticket.runner, ticket.integration).await?;
    ticket.fits(integration.as_ref())?;
    Ok(())
}
