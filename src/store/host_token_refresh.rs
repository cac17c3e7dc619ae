//! Which host tokens are to be renewed, and who does it.
use super::{
    Store, on,
    tx::{Tx, execute},
};
use crate::{
    clock::Instant,
    domain::{
        host_token::HostToken,
        host_token_refresh::{KEPT, due},
        id::{AgentId, CallId, HostTokenId, OrganizationId, RunnerId},
        secret_field::SecretField,
    },
    error::Result,
};

/// A host token that is to be renewed, and whose runner has a live agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DueRefresh {
    /// The token.
    #[sqlx(rename = "host_token_id")]
    pub token: HostTokenId,
    /// Whose it is.
    #[sqlx(rename = "organization_id")]
    pub organization: OrganizationId,
    /// Since when it is due.
    pub due_at: Instant,
    /// The one that must be asked, as it may have what the forge gave; `None`: any.
    pub meant_for: Option<AgentId>,
    attempts: i64,
}

impl DueRefresh {
    /// How often it was tried since the token last changed.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.attempts).unwrap_or(u32::MAX)
    }
}

/// Whoever was asked last may have what the forge gave, and nobody else: while it lives it is asked again, and until it
/// has been away for as long as agents keep that, nobody is.
pub(super) const DUE: &str = "SELECT r.host_token_id, t.organization_id, r.due_at, r.attempts, \
    CASE WHEN a.stream_seen_at > $4 THEN a.agent_id END AS meant_for \
    FROM host_token_refresh r JOIN host_token t ON t.id = r.host_token_id \
    JOIN runner_status s ON s.runner_id = r.runner_id \
    LEFT JOIN agent a ON a.runner_id = r.runner_id AND a.agent_id = r.asked_by \
    WHERE r.due_at <= $1 AND s.alive_at > $2 AND (a.agent_id IS NULL OR a.stream_seen_at <= $4 \
        OR (a.stream_id IS NOT NULL AND a.stream_seen_at > $2 AND a.heartbeat_at > $2)) \
    ORDER BY r.due_at LIMIT $3";

impl Store {
    /// Up to `limit` tokens that are due at `now`, of runners of which an agent took calls after `alive_since`, and of
    /// which the one did that must be asked; those first that are due for longest.
    pub async fn due_refreshes(
        &self,
        now: Instant,
        alive_since: Instant,
        limit: u16,
    ) -> Result<Vec<DueRefresh>> {
        on!(self, pool => sqlx::query_as(DUE)
            .bind(now).bind(alive_since).bind(i64::from(limit)).bind(now.minus(KEPT)).fetch_all(pool).await)
    }

    /// Takes a token that is due, for `call`, until `until`. `false`: somebody else was faster, or it changed.
    pub async fn claim_refresh(&self, due: DueRefresh, call: CallId, until: Instant) -> Result<bool> {
        const SQL: &str = "UPDATE host_token_refresh SET due_at = $3, attempts = attempts + 1, call_id = $4 \
            WHERE host_token_id = $1 AND due_at = $2";
        self.write((due, call, until), |tx, (due, call, until)| {
            Box::pin(async move { Ok(execute!(tx, SQL, due.token, due.due_at, *until, *call)? > 0) })
        })
        .await
    }

    /// The forge gave nothing to whom a call of the runner's asked: anybody may ask next time.
    pub async fn release_refresh(&self, runner: RunnerId, call: CallId) -> Result<()> {
        const SQL: &str =
            "UPDATE host_token_refresh SET asked_by = NULL WHERE call_id = $1 AND runner_id = $2";
        self.write((runner, call), |tx, (runner, call)| {
            Box::pin(async move { execute!(tx, SQL, *call, *runner).map(|_| ()) })
        })
        .await
    }

    /// The token that a call of the runner's is to renew, unless it changed since the call was made.
    pub async fn refresh_of_call(&self, runner: RunnerId, call: CallId) -> Result<Option<HostTokenId>> {
        const SQL: &str =
            "SELECT host_token_id FROM host_token_refresh WHERE call_id = $1 AND runner_id = $2";
        on!(self, pool => sqlx::query_scalar(SQL).bind(call).bind(runner).fetch_optional(pool).await)
    }
}

/// Writes down who is asked by a call.
pub(super) async fn note_asked(tx: &mut Tx, call: CallId, agent: AgentId) -> Result<()> {
    const SQL: &str = "UPDATE host_token_refresh SET asked_by = $2 WHERE call_id = $1";
    execute!(tx, SQL, call, agent).map(|_| ())
}

/// Plans anew when a token is renewed whose refresh token stays what it is. Whoever renews it now goes on, alone until
/// its time is up: two who use one refresh token cut each other off.
pub(super) async fn move_refresh(tx: &mut Tx, token: &HostToken) -> Result<()> {
    const MOVE: &str = "UPDATE host_token_refresh SET attempts = 0, \
        due_at = CASE WHEN call_id IS NOT NULL AND due_at > $2 THEN due_at ELSE $2 END WHERE host_token_id = $1";
    let Some(due) = due(token) else { return plan_refresh(tx, token).await };
    if execute!(tx, MOVE, token.id, due)? == 0 { plan_refresh(tx, token).await } else { Ok(()) }
}

/// Plans when a token that is stored now is renewed, if it ends and there is something to renew it with. Whoever
/// was about to renew what it was before no longer is.
pub(super) async fn plan_refresh(tx: &mut Tx, token: &HostToken) -> Result<()> {
    const FORGET: &str = "DELETE FROM host_token_refresh WHERE host_token_id = $1";
    const PLAN: &str = "INSERT INTO host_token_refresh (host_token_id, runner_id, due_at, attempts) \
        SELECT sub, runner_id, $2, 0 FROM sealed_secret \
        WHERE sub = $1 AND field = $3 AND name = '' AND sealed IS NOT NULL";
    execute!(tx, FORGET, token.id)?;
    let Some(due) = due(token) else { return Ok(()) };
    execute!(tx, PLAN, token.id, due, SecretField::HostTokenRefresh.wire_name()).map(|_| ())
}
