//! Calls to live agents: opened, claimed, answered, taken, forgotten.
use sqlx::FromRow;

use super::{
    Store,
    host_token_refresh::note_asked,
    on,
    signals::Signal,
    tx::{Tx, dialect, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        id::{AgentId, CallId, RunnerId},
        live_call::{BUDGET, CallKind, MOST_OPEN, OFFER_AGAIN, OFFER_SAME, Offer, PATIENCE},
    },
    error::{Error, Kind, Result},
};

/// A call to be stored.
#[derive(Clone, Debug)]
pub struct NewCallRow {
    /// Its id.
    pub id: CallId,
    /// Whose agents are to answer.
    pub runner: RunnerId,
    /// What is asked.
    pub kind: CallKind,
    /// The question, sealed at rest.
    pub request: Vec<u8>,
    /// When.
    pub now: Instant,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// The only agent that it is offered to; `None`: any.
    pub meant_for: Option<AgentId>,
    /// The agent of this server that gets it at once.
    pub claim: Option<AgentId>,
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has answered yet, and this is when nobody waits any more.
    Open(Instant),
    /// The answer, sealed at rest.
    Answered(Vec<u8>),
    /// There is no such call, or its answer was taken.
    Gone,
}

#[derive(FromRow)]
struct OfferRow {
    id: CallId,
    kind: CallKind,
    attempt: i64,
    deadline: Instant,
    request: Vec<u8>,
}

impl Store {
    /// Stores a call.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] if the runner has too many open; [`Kind::Conflict`] if it renews a token that somebody
    /// else renews by now, or may before it is answered.
    pub async fn open_call(&self, call: NewCallRow) -> Result<()> {
        const LOCK: &str = "SELECT 1 FROM runner_status WHERE runner_id = $1";
        const LOCK_ROW: &str = "SELECT 1 FROM runner_status WHERE runner_id = $1 FOR UPDATE";
        const COUNT: &str = "SELECT count(*) FROM live_call \
            WHERE runner_id = $1 AND answered_at IS NULL AND deadline > $2";
        const INSERT: &str = "INSERT INTO live_call (id, runner_id, kind, once, request, attempt, \
            claimed_by, claimed_at, deadline, meant_for) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        self.write(call, |tx, call| {
            Box::pin(async move {
                if call.kind == CallKind::RefreshHostToken {
                    require_claim(tx, call).await?;
                }
                // Or two at once would both find room for one more.
                let lock = dialect(tx, LOCK, LOCK_ROW);
                execute!(tx, lock, call.runner)?;
                let open: i64 = on_tx!(tx, conn => sqlx::query_scalar(COUNT)
                    .bind(call.runner).bind(call.now).fetch_one(conn).await)?;
                if open >= i64::from(MOST_OPEN) {
                    let message = "too many calls wait for this runner's agents";
                    return Err(
                        Error::new(Kind::Exhausted, message).retry_after(std::time::Duration::from_secs(1))
                    );
                }
                let claimed = call.claim.map(|_| call.now);
                let deadline = claimed.map_or(call.deadline, |at| call.deadline.min(at.plus(BUDGET)));
                execute!(
                    tx,
                    INSERT,
                    call.id,
                    call.runner,
                    call.kind,
                    call.kind.is_once(),
                    &call.request,
                    i64::from(call.claim.is_some()),
                    call.claim,
                    claimed,
                    deadline,
                    call.meant_for,
                )?;
                if let Some(agent) = call.claim
                    && call.kind == CallKind::RefreshHostToken
                {
                    note_asked(tx, call.id, agent).await?;
                }
                if call.claim.is_none() {
                    tx.signals.push(Signal::Called(call.runner));
                }
                Ok(())
            })
        })
        .await
    }

    /// The runners that have a call to be offered at `now`.
    pub async fn runners_with_calls(&self, now: Instant) -> Result<Vec<RunnerId>> {
        const SQL: &str = "SELECT DISTINCT runner_id FROM live_call WHERE answered_at IS NULL \
            AND deadline > $1 AND (attempt = 0 OR (attempt = 1 AND NOT once AND claimed_at <= $2))";
        on!(self, pool => sqlx::query_scalar(SQL)
            .bind(now).bind(now.minus(OFFER_AGAIN)).fetch_all(pool).await)
    }

    /// Gives an agent up to `limit` calls that it may have and nobody has, or that another has not answered for too long.
    pub async fn claim_calls(
        &self,
        runner: RunnerId,
        agent: AgentId,
        now: Instant,
        limit: usize,
    ) -> Result<Vec<Offer>> {
        const SQLITE: &str = "UPDATE live_call SET attempt = attempt + 1, claimed_by = $2, claimed_at = $3, \
            deadline = CASE WHEN attempt = 0 AND deadline > $4 THEN $4 ELSE deadline END \
            WHERE id IN (SELECT id FROM live_call WHERE runner_id = $1 AND answered_at IS NULL \
                AND deadline > $3 AND (meant_for IS NULL OR meant_for = $2) AND (attempt = 0 OR (attempt = 1 AND NOT once \
                AND ((claimed_at <= $5 AND claimed_by <> $2) OR claimed_at <= $6))) ORDER BY id LIMIT $7) \
            RETURNING id, kind, attempt, deadline, request";
        const POSTGRES: &str = "UPDATE live_call SET attempt = attempt + 1, claimed_by = $2, \
            claimed_at = $3, deadline = CASE WHEN attempt = 0 AND deadline > $4 THEN $4 ELSE deadline END \
            WHERE id IN (SELECT id FROM live_call WHERE runner_id = $1 AND answered_at IS NULL \
                AND deadline > $3 AND (meant_for IS NULL OR meant_for = $2) AND (attempt = 0 OR (attempt = 1 AND NOT once \
                AND ((claimed_at <= $5 AND claimed_by <> $2) OR claimed_at <= $6))) ORDER BY id LIMIT $7 \
                FOR UPDATE SKIP LOCKED) \
            RETURNING id, kind, attempt, deadline, request";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<OfferRow> = self
            .write((runner, agent, now, limit), |tx, (runner, agent, now, limit)| {
                Box::pin(async move {
                    let sql = dialect(tx, SQLITE, POSTGRES);
                    let rows: Vec<OfferRow> = on_tx!(tx, conn => sqlx::query_as(sql)
                        .bind(*runner).bind(*agent).bind(*now).bind(now.plus(BUDGET))
                        .bind(now.minus(OFFER_AGAIN)).bind(now.minus(OFFER_SAME)).bind(*limit)
                        .fetch_all(conn).await)?;
                    for row in rows.iter().filter(|row| row.kind == CallKind::RefreshHostToken) {
                        note_asked(tx, row.id, *agent).await?;
                    }
                    Ok(rows)
                })
            })
            .await?;
        let offer = |row: OfferRow| Offer {
            id: row.id,
            agent,
            attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
            deadline: row.deadline,
            request: row.request,
        };
        Ok(rows.into_iter().map(offer).collect())
    }

    /// Stores an answer; the first counts. `kind` is what it answers, `None` for an error.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if nobody waits for it any more, [`Kind::Conflict`] if it was answered,
    /// [`Kind::Invalid`] if something else was asked.
    pub async fn answer_call(
        &self,
        runner: RunnerId,
        id: CallId,
        kind: Option<CallKind>,
        answer: Vec<u8>,
        now: Instant,
    ) -> Result<()> {
        const FIND: &str = "SELECT kind, answered_at FROM live_call \
            WHERE id = $1 AND runner_id = $2 AND deadline > $3 AND attempt > 0";
        const ANSWER: &str = "UPDATE live_call SET answered_at = $2, answer = $3, request = NULL \
            WHERE id = $1 AND answered_at IS NULL";
        self.write((runner, id, kind, answer, now), |tx, (runner, id, kind, answer, now)| {
            Box::pin(async move {
                let found: Option<(CallKind, Option<Instant>)> = on_tx!(tx, conn => sqlx::query_as(FIND)
                    .bind(*id).bind(*runner).bind(*now).fetch_optional(conn).await)?;
                let (asked, _) = found.ok_or_else(|| Error::not_found("call"))?;
                if kind.is_some_and(|kind| kind != asked) {
                    let message = "value must be the result of what was asked";
                    return Err(Error::invalid("result", "sealink.result", message));
                }
                if execute!(tx, ANSWER, *id, *now, answer)? == 0 {
                    return Err(Error::new(Kind::Conflict, "the call was answered already"));
                }
                tx.signals.push(Signal::Answered(*id));
                Ok(())
            })
        })
        .await
    }

    /// How far a call is.
    pub async fn call_progress(&self, id: CallId) -> Result<Progress> {
        const SQL: &str = "SELECT deadline, answer, answered_at FROM live_call WHERE id = $1";
        let found: Option<(Instant, Option<Vec<u8>>, Option<Instant>)> =
            on!(self, pool => sqlx::query_as(SQL).bind(id).fetch_optional(pool).await)?;
        Ok(match found {
            Some((_, Some(answer), _)) => Progress::Answered(answer),
            Some((deadline, None, None)) => Progress::Open(deadline),
            _ => Progress::Gone,
        })
    }

    /// The calls whose answers nobody has taken yet.
    pub async fn answered_calls(&self) -> Result<Vec<CallId>> {
        const SQL: &str = "SELECT id FROM live_call WHERE answer IS NOT NULL";
        on!(self, pool => sqlx::query_scalar(SQL).fetch_all(pool).await)
    }

    /// Wipes what a call carries. Its row stays until nobody can answer any more.
    pub async fn wipe_call(&self, id: CallId) -> Result<()> {
        const SQL: &str = "UPDATE live_call SET request = NULL, answer = NULL, \
            answered_at = coalesce(answered_at, deadline) WHERE id = $1";
        self.write(id, |tx, id| Box::pin(async move { execute!(tx, SQL, *id).map(|_| ()) })).await
    }

    /// Deletes the calls whose time is up; how many.
    pub async fn forget_calls(&self, now: Instant) -> Result<u64> {
        const ANY: &str =
            "SELECT count(*) FROM (SELECT 1 FROM live_call WHERE deadline <= $1 LIMIT 1) AS one";
        const SQL: &str = "DELETE FROM live_call WHERE deadline <= $1";
        let any: i64 = on!(self, pool => sqlx::query_scalar(ANY).bind(now).fetch_one(pool).await)?;
        if any == 0 {
            return Ok(0);
        }
        self.write(now, |tx, now| Box::pin(async move { execute!(tx, SQL, *now) })).await
    }
}

/// Who claimed a token and then took too long to ask must not ask any more.
async fn require_claim(tx: &mut Tx, call: &NewCallRow) -> Result<()> {
    const SQL: &str = "SELECT count(*) FROM host_token_refresh WHERE call_id = $1 AND due_at > $2";
    let answered = call.deadline.plus(PATIENCE);
    let claims: i64 =
        on_tx!(tx, conn => sqlx::query_scalar(SQL).bind(call.id).bind(answered).fetch_one(conn).await)?;
    if claims > 0 { Ok(()) } else { Err(Error::new(Kind::Conflict, "the claim of the host token has ended")) }
}
