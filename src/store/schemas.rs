//! What runners say they can be configured with.
use super::{
    Store,
    changes::{lock_runner, log_audit},
    on,
    tx::{execute, on_tx},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        id::RunnerId,
        schema::Schema,
    },
    error::{Error, Kind, Result},
};

const FIND: &str = "SELECT content FROM runner_schema WHERE runner_id = $1";

impl Store {
    /// The schema a runner reported last; `None` before it reported one.
    pub async fn schema(&self, runner: RunnerId) -> Result<Option<Schema>> {
        let damaged = |error| Error::new(Kind::DataLoss, "a stored schema is damaged").caused_by(error);
        let content: Option<String> =
            on!(self, pool => sqlx::query_scalar(FIND).bind(runner).fetch_optional(pool).await)?;
        content.map(|content| serde_json::from_str(&content).map_err(damaged)).transpose()
    }

    /// Replaces a runner's schema; the same again leaves no trace. The runner sees nothing change.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the runner is gone.
    pub async fn report_schema(&self, actor: Actor, runner: RunnerId, schema: Schema) -> Result<()> {
        const PUT: &str = "INSERT INTO runner_schema (runner_id, content, reported_at) VALUES ($1, $2, $3) \
            ON CONFLICT (runner_id) DO UPDATE SET content = excluded.content, reported_at = excluded.reported_at";
        const OFFERED: &str = "UPDATE runner SET offered_scms = $2 WHERE id = $1";
        let content = serde_json::to_string(&schema).map_err(Error::internal)?;
        self.write((actor, runner, schema, content), |tx, (actor, runner, schema, content)| {
            Box::pin(async move {
                if !lock_runner(tx, actor, *runner).await? {
                    return Err(Error::not_found("runner"));
                }
                let stored = on_tx!(tx, conn => sqlx::query_scalar::<_, String>(FIND)
                    .bind(*runner).fetch_optional(conn).await)?;
                if stored.as_ref() == Some(content) {
                    return Ok(());
                }
                execute!(tx, PUT, *runner, content, actor.at)?;
                execute!(tx, OFFERED, *runner, schema.offered())?;
                let entry =
                    Entry::new("runner.report_schema", runner).with("version", schema.version.as_str());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }
}
