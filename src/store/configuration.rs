//! A runner's whole configuration as one consistent snapshot: one statement reads all of it.
//!
//! Its agents ask with the runner's own token, so the token, the runner behind it and the runner's integrations are
//! read together, for all requests that wait at that moment.
use futures_util::future::BoxFuture;
use sqlx::{Connection, FromRow, PgPool, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use super::{
    Database, Lanes, Store,
    combine::Answer,
    failure::failure,
    on, record,
    runner_pages::{RunnerRow, runner_columns, runner_joins},
    sqlite,
    token_lookup::{Columns, StoredToken, token_columns, token_joins, token_json},
};
use crate::{
    domain::{
        id::{OrganizationId, RunnerId},
        integration::Integration,
        runner::Runner,
        token::TokenId,
    },
    error::{Error, Result},
};

/// What a runner's agents work from.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The runner, with the revision the snapshot was taken at and its ACTIVE key.
    pub runner: Runner,
    /// All its integrations, oldest first.
    pub integrations: Vec<Integration>,
    /// Whether that is all: it has neither environment classes nor LLM integrations.
    pub alone: bool,
}

/// Asks for the configuration of the runner that a token is of.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnConfigurationQuery {
    /// The token the request came with.
    pub token: TokenId,
    /// The revision whose integrations the runner has already.
    pub known: Option<u64>,
}

/// What there is to know before the configuration may be shown, and the configuration.
#[derive(Clone, Debug)]
pub struct OwnConfiguration {
    /// The token, if it exists; whether it is valid is the service's to decide.
    pub token: Option<StoredToken>,
    /// The runner that the token is of; without its integrations if it is at the known revision.
    pub configured: Option<Configured>,
}

/// The integrations of a runner `r`, one record after the other.
macro_rules! sqlite_records {
    () => {
        "(SELECT CAST(group_concat(p.record, '') AS BLOB) FROM \
            (SELECT i.id, i.record FROM scm_integration i WHERE i.runner_id = r.id ORDER BY i.id) p)"
    };
}
macro_rules! postgres_records {
    () => {
        "(SELECT string_agg(i.record, ''::bytea ORDER BY i.id) FROM scm_integration i WHERE i.runner_id = r.id)"
    };
}

/// Whether a runner `r` has nothing else that its agents work from.
macro_rules! alone {
    () => {
        "NOT EXISTS (SELECT 1 FROM environment_class e WHERE e.runner_id = r.id) \
            AND NOT EXISTS (SELECT 1 FROM llm_integration l WHERE l.runner_id = r.id) AS alone"
    };
}

/// A runner and its integrations; type-checked once for each database.
macro_rules! configured {
    ($row:expr) => {{
        let records: Option<&[u8]> = $row.try_get("records").map_err(failure)?;
        let mut integrations = record::decode_all(records.unwrap_or_default())?;
        // SQLite promises no order; in practice they come in order already.
        integrations.sort_unstable_by_key(|integration| integration.id);
        let alone = $row.try_get("alone").map_err(failure)?;
        Ok(Configured { runner: RunnerRow::from_row($row).map_err(failure)?.runner()?, integrations, alone })
    }};
}

/// The answers to `questions` in their order, from rows in any; `token` reads the token of a row.
macro_rules! in_order {
    ($found:expr, $questions:expr, $token:expr) => {{
        let mut answers: Vec<_> = $questions.iter().map(|_| None).collect();
        for row in $found {
            let n: i64 = row.try_get("n").map_err(failure)?;
            let place = usize::try_from(n).ok().and_then(|n| answers.get_mut(n));
            let place = place.ok_or_else(|| Error::internal("a configuration that nobody asked for"))?;
            let runner: Option<RunnerId> = row.try_get("id").map_err(failure)?;
            let configured: Option<Result<Configured>> = runner.map(|_| configured!(row));
            *place = Some(OwnConfiguration { token: $token(row)?, configured: configured.transpose()? });
        }
        let missing = || Error::internal("a configuration query has too few answers");
        answers.into_iter().map(|answer| answer.ok_or_else(missing)).collect()
    }};
}

/// For SQLite: the questions as a JSON array of arrays; a known revision that there is none of is -1.
pub(super) const SQLITE_OWN: &str = concat!(
    "SELECT a.key AS n, ",
    token_json!(),
    " AS token, ",
    runner_columns!(),
    ", ",
    alone!(),
    ", CASE WHEN r.revision <> (a.value ->> 1) THEN ",
    sqlite_records!(),
    " END AS records FROM json_each($1) a ",
    token_joins!("a.value ->> 0"),
    "LEFT JOIN runner r ON r.id = t.runner_id ",
    runner_joins!(),
);

fn known(question: &OwnConfigurationQuery) -> i64 {
    question.known.and_then(|revision| i64::try_from(revision).ok()).unwrap_or(-1)
}

/// Asks on a connection of its own, which is opened for the first question: not every server has agents.
pub(super) struct SqliteConfigurations {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl SqliteConfigurations {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, connection: None }
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection> {
        if self.connection.is_none() {
            self.connection = Some(sqlite::reader(&self.options).await?);
        }
        self.connection.as_mut().ok_or_else(|| Error::internal("a connection went away"))
    }
}

impl Answer<OwnConfigurationQuery, OwnConfiguration> for SqliteConfigurations {
    fn answer<'q>(
        &'q mut self,
        questions: &'q [OwnConfigurationQuery],
    ) -> BoxFuture<'q, Result<Vec<OwnConfiguration>>> {
        Box::pin(async move {
            let asked: Vec<_> = questions.iter().map(|one| (&one.token.0, known(one))).collect();
            let asked = serde_json::to_string(&asked).map_err(Error::internal)?;
            let query = sqlx::query(SQLITE_OWN).bind(asked);
            let found = sqlite::rows(self.connection().await?, query, questions.len()).await?;
            in_order!(&found, questions, |row: &sqlx::sqlite::SqliteRow| -> Result<_> {
                let token = row.try_get("token").map_err(failure)?;
                Ok(serde_json::from_str::<Columns>(token).map_err(Error::internal)?.token())
            })
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Some(connection) = self.connection {
                drop(connection.close().await);
            }
        })
    }
}

/// Asks through the pool.
pub(super) struct PostgresConfigurations(pub(super) PgPool);

impl Answer<OwnConfigurationQuery, OwnConfiguration> for PostgresConfigurations {
    fn answer<'q>(
        &'q mut self,
        questions: &'q [OwnConfigurationQuery],
    ) -> BoxFuture<'q, Result<Vec<OwnConfiguration>>> {
        const SQL: &str = concat!(
            "SELECT a.n - 1 AS n, ",
            token_columns!(),
            ", ",
            runner_columns!(),
            ", ",
            alone!(),
            ", CASE WHEN r.revision <> a.known THEN ",
            postgres_records!(),
            " END AS records FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY a (token_id, known, n) ",
            token_joins!("a.token_id"),
            "LEFT JOIN runner r ON r.id = t.runner_id ",
            runner_joins!(),
        );
        Box::pin(async move {
            let tokens: Vec<_> = questions.iter().map(|one| one.token.0.clone()).collect();
            let known: Vec<_> = questions.iter().map(known).collect();
            let query = sqlx::query(SQL).bind(tokens).bind(known);
            let found = query.fetch_all(&self.0).await.map_err(failure)?;
            in_order!(&found, questions, |row: &sqlx::postgres::PgRow| -> Result<_> {
                Ok(Columns::from_row(row).map_err(failure)?.token())
            })
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        // The pool is the store's.
        Box::pin(async {})
    }
}

impl Store {
    /// The id of this database's history; a restored backup has another one.
    pub async fn epoch(&self) -> Result<Uuid> {
        on!(self, pool => sqlx::query_scalar("SELECT epoch FROM server WHERE id = 1").fetch_one(pool).await)
    }

    /// The revision of a runner's configuration.
    pub async fn revision(&self, runner: RunnerId) -> Result<Option<u64>> {
        const SQL: &str = "SELECT revision FROM runner WHERE id = $1";
        let found: Option<i64> =
            on!(self, pool => sqlx::query_scalar(SQL).bind(runner).fetch_optional(pool).await)?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// The configuration of the runner that a token is of, with the token.
    pub async fn own_configuration(&self, query: OwnConfigurationQuery) -> Result<OwnConfiguration> {
        self.configurations.ask(query).await
    }

    /// A runner's configuration.
    pub async fn configuration(
        &self,
        organization: OrganizationId,
        id: RunnerId,
    ) -> Result<Option<Configured>> {
        macro_rules! select {
            ($records:expr) => {
                concat!(
                    "SELECT ",
                    runner_columns!(),
                    ", ",
                    alone!(),
                    ", ",
                    $records,
                    " AS records FROM runner r ",
                    runner_joins!(),
                    "WHERE r.id = $1 AND r.organization_id = $2"
                )
            };
        }
        const SQLITE: &str = select!(sqlite_records!());
        const POSTGRES: &str = select!(postgres_records!());
        match &self.database {
            Database::Sqlite(Lanes { read, .. }) => {
                let query = sqlx::query(SQLITE).bind(id).bind(organization);
                let row = query.fetch_optional(read).await.map_err(failure)?;
                row.as_ref().map(|row| configured!(row)).transpose()
            }
            Database::Postgres(pool) => {
                let query = sqlx::query(POSTGRES).bind(id).bind(organization);
                let row = query.fetch_optional(pool).await.map_err(failure)?;
                row.as_ref().map(|row| configured!(row)).transpose()
            }
        }
    }
}
