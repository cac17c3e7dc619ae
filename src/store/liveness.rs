//! The agents of a runner: whether they live, and what they report.
//!
//! Every step first locks the runner's row in `runner_status`, so that its sums are of one moment.
use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store, on,
    tx::{Tx, execute, on_tx, version},
};
use crate::{
    clock::Instant,
    domain::{
        id::{AgentId, RunnerId},
        liveness::{Liveness, Report, ReportPatch, SecretFault, SecretReport},
        secret::Kid,
    },
    error::{Error, Kind, Result},
};

/// How many agents of one runner are remembered.
const MOST_AGENTS: i64 = 4_096;
/// How many faulty secrets of one runner are remembered.
const MOST_REPORTS: i64 = 10_000;
/// How long an agent is remembered.
const REMEMBERED: Duration = Duration::from_hours(24);

/// One agent at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Whose it is.
    pub runner: RunnerId,
    /// Which one.
    pub id: AgentId,
    /// When.
    pub now: Instant,
}

/// What becomes of the stream an agent takes calls from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamChange {
    /// It is open, as far as this server sees.
    Open,
    /// It ended.
    Closed,
}

/// The columns of `runner_status` as a runner's row carries them.
#[derive(FromRow)]
#[expect(clippy::struct_field_names, reason = "a runner's row has these names beside its own")]
pub(super) struct LivenessRow {
    status_alive_at: Option<Instant>,
    status_degraded_at: Option<Instant>,
    status_message: Option<String>,
    status_report: Option<String>,
    status_updated_at: Option<Instant>,
}

impl LivenessRow {
    pub(super) fn liveness(self) -> Result<Liveness> {
        Ok(Liveness {
            alive_at: self.status_alive_at,
            degraded_at: self.status_degraded_at,
            message: self.status_message.unwrap_or_default(),
            report: self.status_report.map(|text| parse(&text)).transpose()?.unwrap_or_default(),
            updated_at: self.status_updated_at,
        })
    }
}

fn parse(report: &str) -> Result<Report> {
    serde_json::from_str(report)
        .map_err(|error| Error::new(Kind::DataLoss, "a stored runner status is damaged").caused_by(error))
}

impl Store {
    /// Writes down that an agent lives.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] if the runner has too many agents, [`Kind::NotFound`] if it is gone.
    pub async fn heartbeat(&self, agent: Agent) -> Result<()> {
        self.write(agent, |tx, agent| {
            Box::pin(async move {
                lock(tx, agent).await?;
                meet(tx, agent).await?;
                hear(tx, agent).await?;
                sum(tx, agent).await
            })
        })
        .await
    }

    /// Writes down what an agent reports; `degradation` is what is wrong with it, if it says.
    ///
    /// # Errors
    /// As [`Store::heartbeat`]; [`Kind::Invalid`] as [`ReportPatch::apply`].
    pub async fn update_status(
        &self,
        agent: Agent,
        patch: ReportPatch,
        degradation: Option<String>,
        secrets: Vec<SecretReport>,
    ) -> Result<()> {
        const READ: &str = "SELECT report FROM runner_status WHERE runner_id = $1";
        const WRITE: &str = "UPDATE runner_status SET report = $2 WHERE runner_id = $1";
        const DEGRADE: &str = "UPDATE agent SET degradation = $3 WHERE runner_id = $1 AND agent_id = $2";
        self.write((agent, patch, degradation, secrets), |tx, (agent, patch, degradation, secrets)| {
            Box::pin(async move {
                lock(tx, agent).await?;
                meet(tx, agent).await?;
                let stored: String = on_tx!(tx, conn => sqlx::query_scalar(READ)
                    .bind(agent.runner).fetch_one(conn).await)?;
                let report = patch.apply(parse(&stored)?)?;
                let report = serde_json::to_string(&report).map_err(Error::internal)?;
                execute!(tx, WRITE, agent.runner, &report)?;
                if let Some(degradation) = degradation {
                    execute!(tx, DEGRADE, agent.runner, agent.id, degradation)?;
                }
                for secret in secrets {
                    report_secret(tx, agent, secret).await?;
                }
                sum(tx, agent).await
            })
        })
        .await
    }

    /// Writes down that an agent's stream `stream` is open, or that it ended.
    ///
    /// # Errors
    /// As [`Store::heartbeat`].
    pub async fn change_stream(&self, agent: Agent, stream: Uuid, change: StreamChange) -> Result<()> {
        const OPEN: &str = "UPDATE agent SET stream_id = $3, stream_seen_at = $4 \
            WHERE runner_id = $1 AND agent_id = $2";
        const CLOSE: &str = "UPDATE agent SET stream_id = NULL \
            WHERE runner_id = $1 AND agent_id = $2 AND stream_id = $3";
        self.write((agent, stream, change), |tx, (agent, stream, change)| {
            Box::pin(async move {
                lock(tx, agent).await?;
                match change {
                    StreamChange::Open => {
                        meet(tx, agent).await?;
                        execute!(tx, OPEN, agent.runner, agent.id, *stream, agent.now)?;
                    }
                    StreamChange::Closed => drop(execute!(tx, CLOSE, agent.runner, agent.id, *stream)?),
                }
                sum(tx, agent).await
            })
        })
        .await
    }

    /// The secrets that a runner's agents say they cannot use.
    pub async fn secret_reports(&self, runner: RunnerId) -> Result<Vec<SecretReport>> {
        const SQL: &str = "SELECT object_id, field, name, kid, version, state FROM secret_report \
            WHERE runner_id = $1 ORDER BY object_id, field, name";
        let rows: Vec<(Uuid, String, String, Kid, i64, SecretFault)> =
            on!(self, pool => sqlx::query_as(SQL).bind(runner).fetch_all(pool).await)?;
        let reports = rows.into_iter().map(|(object, field, name, kid, version, fault)| SecretReport {
            object,
            field,
            name,
            kid,
            version: version.unsigned_abs(),
            fault: Some(fault),
        });
        Ok(reports.collect())
    }
}

/// Makes sure the runner's status is there, and ours until the end.
async fn lock(tx: &mut Tx, agent: &Agent) -> Result<()> {
    const SQL: &str = "INSERT INTO runner_status (runner_id, message, report, updated_at) \
        VALUES ($1, '', '{}', $2) ON CONFLICT (runner_id) DO UPDATE SET updated_at = excluded.updated_at";
    execute!(tx, SQL, agent.runner, agent.now).map(|_| ()).map_err(gone)
}

fn gone(error: Error) -> Error {
    if error.kind() == Kind::NotFound { Error::not_found("runner") } else { error }
}

/// A sign of life of an agent that has been met.
async fn hear(tx: &mut Tx, agent: &Agent) -> Result<()> {
    const SQL: &str = "UPDATE agent SET heartbeat_at = $3 WHERE runner_id = $1 AND agent_id = $2";
    execute!(tx, SQL, agent.runner, agent.id, agent.now).map(|_| ())
}

/// Makes sure the agent has a row; for a new one, those of agents long gone make room.
async fn meet(tx: &mut Tx, agent: &Agent) -> Result<()> {
    const FIND: &str = "SELECT heartbeat_at FROM agent WHERE runner_id = $1 AND agent_id = $2";
    const FORGET: &str =
        "DELETE FROM agent WHERE runner_id = $1 AND heartbeat_at < $2 AND stream_seen_at < $2";
    const INSERT: &str = "INSERT INTO agent \
        (runner_id, agent_id, heartbeat_at, stream_id, stream_seen_at, degradation) \
        SELECT $1, $2, 0, NULL, 0, '' WHERE (SELECT count(*) FROM agent WHERE runner_id = $1) < $3";
    let found = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(FIND)
        .bind(agent.runner).bind(agent.id).fetch_optional(conn).await)?;
    if found.is_some() {
        return Ok(());
    }
    execute!(tx, FORGET, agent.runner, agent.now.minus(REMEMBERED))?;
    if execute!(tx, INSERT, agent.runner, agent.id, MOST_AGENTS)? == 0 {
        return Err(Error::new(Kind::Exhausted, "the runner has too many agents"));
    }
    Ok(())
}

/// Brings the sums up to date.
async fn sum(tx: &mut Tx, agent: &Agent) -> Result<()> {
    const SQL: &str = "UPDATE runner_status SET \
        alive_at = (SELECT max(CASE WHEN a.heartbeat_at < a.stream_seen_at \
            THEN a.heartbeat_at ELSE a.stream_seen_at END) \
            FROM agent a WHERE a.runner_id = $1 AND a.stream_id IS NOT NULL), \
        degraded_at = (SELECT max(a.heartbeat_at) FROM agent a \
            WHERE a.runner_id = $1 AND a.degradation <> ''), \
        message = coalesce((SELECT a.degradation FROM agent a \
            WHERE a.runner_id = $1 AND a.degradation <> '' ORDER BY a.heartbeat_at DESC LIMIT 1), '') \
        WHERE runner_id = $1";
    execute!(tx, SQL, agent.runner).map(|_| ())
}

async fn report_secret(tx: &mut Tx, agent: &Agent, secret: &SecretReport) -> Result<()> {
    const CLEAR: &str = "DELETE FROM secret_report \
        WHERE runner_id = $1 AND object_id = $2 AND field = $3 AND name = $4";
    const SET: &str = "INSERT INTO secret_report \
        (runner_id, object_id, field, name, kid, version, state, reported_at) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8 \
        WHERE (SELECT count(*) FROM secret_report WHERE runner_id = $1) < $9";
    execute!(tx, CLEAR, agent.runner, secret.object, &secret.field, &secret.name)?;
    let Some(fault) = secret.fault else { return Ok(()) };
    let (field, name, kid) = (&secret.field, &secret.name, &secret.kid);
    let version = version(secret.version);
    execute!(tx, SET, agent.runner, secret.object, field, name, kid, version, fault, agent.now, MOST_REPORTS)
        .map(|_| ())
}
