//! Pages of SCM integrations: the hottest read.
//!
//! A page of one runner is asked together with the caller's token and what the access rules need to know of
//! the runner, for all requests that wait at that moment, in one query and one value per page.
use futures_util::future::BoxFuture;
use serde::Deserialize;
use sqlx::{ColumnIndex, Connection, Decode, FromRow, PgPool, Row, SqliteConnection, Type};
use uuid::Uuid;

use super::{
    Store,
    combine::Answer,
    failure::failure,
    on, record, sqlite,
    token_lookup::{Columns, StoredToken, token_columns, token_joins, token_json},
};
use crate::{
    domain::{
        access::RunnerFacts,
        id::{OrganizationId, RunnerId, UserId},
        integration::Integration,
        page::{Page, PageRequest},
        token::TokenId,
    },
    error::{Error, Result},
};

/// Asks for a page of one runner's integrations, on behalf of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerPageQuery {
    /// The token the request came with.
    pub token: TokenId,
    /// Whose integrations.
    pub runner: RunnerId,
    /// Which page.
    pub page: PageRequest,
}

/// What there is to know before the page may be shown, and the page.
#[derive(Clone, Debug)]
pub struct RunnerPage {
    /// The token, if it exists; whether it is valid is the service's to decide.
    pub token: Option<StoredToken>,
    /// The runner, if it exists, in whatever organization.
    pub runner: Option<RunnerFacts>,
    /// The runner's integrations.
    pub page: Page<Integration>,
}

/// Which integrations a list without a runner filter shows.
#[derive(Clone, Copy, Debug)]
pub enum IntegrationScope {
    /// The whole organization's.
    Organization(OrganizationId),
    /// Those of the runners a user created.
    CreatedBy(UserId),
}

/// What was found beside the records: columns of PostgreSQL, or SQLite's JSON array of the same order.
#[derive(Deserialize, FromRow)]
struct Facts {
    n: i64,
    #[sqlx(flatten)]
    token: Columns,
    runner_id: Option<RunnerId>,
    runner_organization: Option<OrganizationId>,
    runner_creator: Option<UserId>,
}

impl Facts {
    fn page(self, request: PageRequest, records: Option<&[u8]>) -> Result<RunnerPage> {
        let runner = match (self.runner_id, self.runner_organization, self.runner_creator) {
            (Some(id), Some(organization), Some(creator)) => Some(RunnerFacts { id, organization, creator }),
            _ => None,
        };
        let mut rows = record::decode_all(records.unwrap_or_default())?;
        // SQLite would sort copies of the records; in practice they come in order already.
        rows.sort_unstable_by_key(|row| row.id);
        let page = Page::cut(rows, request.size, |row| row.id.0);
        Ok(RunnerPage { token: self.token.token(), runner, page })
    }
}

/// Decodes the rows where the driver keeps them: the records are too many bytes to copy once more.
fn in_order<R: Row>(
    found: &[R],
    questions: &[RunnerPageQuery],
    facts: impl Fn(&R) -> Result<Facts>,
) -> Result<Vec<RunnerPage>>
where
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    &'static str: ColumnIndex<R>,
{
    let mut pages: Vec<_> = questions.iter().map(|_| None).collect();
    for row in found {
        let facts = facts(row)?;
        let Some(n) = usize::try_from(facts.n).ok().filter(|n| *n < pages.len()) else { continue };
        pages[n] = Some(facts.page(questions[n].page, row.try_get("records").map_err(failure)?)?);
    }
    let missing = || Error::internal("a page query has too few answers");
    pages.into_iter().map(|page| page.ok_or_else(missing)).collect()
}

/// The most rows any of the questions wants: LIMIT cannot differ within one SQLite query.
fn limit(questions: &[RunnerPageQuery]) -> i64 {
    questions.iter().map(|question| question.page.size.with_lookahead()).max().unwrap_or_default()
}

/// For SQLite: the questions as a JSON array of arrays, and the highest limit. All but the records is one JSON
/// array, because the driver pays for every cell.
pub(super) const SQLITE_PAGES: &str = concat!(
    "SELECT json_array(a.key, ",
    token_json!(),
    ", nullif(hex(r.id), ''), nullif(hex(r.organization_id), ''), nullif(hex(r.creator_id), '')) AS facts, \
     (SELECT CAST(group_concat(p.record, '') AS BLOB) FROM \
        (SELECT i.id, i.record FROM scm_integration i \
         WHERE i.runner_id = unhex(a.value ->> 1) AND i.id > unhex(a.value ->> 2) \
         ORDER BY i.id LIMIT $2) p) AS records \
     FROM json_each($1) a ",
    token_joins!("a.value ->> 0"),
    "LEFT JOIN runner r ON r.id = unhex(a.value ->> 1)"
);

/// Asks on a connection of its own.
pub(super) struct SqliteRunnerPages(pub(super) SqliteConnection);

impl Answer<RunnerPageQuery, RunnerPage> for SqliteRunnerPages {
    fn answer<'q>(&'q mut self, questions: &'q [RunnerPageQuery]) -> BoxFuture<'q, Result<Vec<RunnerPage>>> {
        Box::pin(async move {
            let hex = |id: Uuid| id.simple().to_string();
            let asked: Vec<_> =
                questions.iter().map(|q| (&q.token.0, hex(q.runner.0), hex(q.page.after.0))).collect();
            let asked = serde_json::to_string(&asked).map_err(Error::internal)?;
            let query = sqlx::query(SQLITE_PAGES).bind(asked).bind(limit(questions));
            let found = sqlite::rows(&mut self.0, query, questions.len()).await?;
            in_order(&found, questions, |row| {
                let facts = row.try_get("facts").map_err(failure)?;
                serde_json::from_str(facts).map_err(Error::internal)
            })
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self.0.close().await) })
    }
}

/// Asks through the pool.
pub(super) struct PostgresRunnerPages(pub(super) PgPool);

impl Answer<RunnerPageQuery, RunnerPage> for PostgresRunnerPages {
    fn answer<'q>(&'q mut self, questions: &'q [RunnerPageQuery]) -> BoxFuture<'q, Result<Vec<RunnerPage>>> {
        const SQL: &str = concat!(
            "SELECT a.n - 1 AS n, ",
            token_columns!(),
            ", r.id AS runner_id, r.organization_id AS runner_organization, r.creator_id AS runner_creator, \
                p.records FROM unnest($1::text[], $3::uuid[], $4::uuid[]) \
                WITH ORDINALITY a (token_id, runner_id, after_id, n) ",
            token_joins!("a.token_id"),
            "LEFT JOIN runner r ON r.id = a.runner_id \
             LEFT JOIN LATERAL (SELECT string_agg(x.record, ''::bytea ORDER BY x.id) AS records FROM \
                (SELECT i.id, i.record FROM scm_integration i \
                 WHERE i.runner_id = a.runner_id AND i.id > a.after_id ORDER BY i.id LIMIT $2) x) p ON true"
        );
        Box::pin(async move {
            let tokens: Vec<_> = questions.iter().map(|question| question.token.0.clone()).collect();
            let runners: Vec<_> = questions.iter().map(|question| question.runner.0).collect();
            let after: Vec<_> = questions.iter().map(|question| question.page.after.0).collect();
            let query = sqlx::query(SQL).bind(tokens).bind(limit(questions)).bind(runners).bind(after);
            let found = query.fetch_all(&self.0).await.map_err(failure)?;
            in_order(&found, questions, |row| Facts::from_row(row).map_err(failure))
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        // The pool is the store's.
        Box::pin(async {})
    }
}

pub(super) const OF_ORGANIZATION: &str = "SELECT record FROM scm_integration \
    WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(super) const OF_CREATOR: &str = "SELECT record FROM scm_integration \
    WHERE creator_id = $1 AND id > $2 ORDER BY id LIMIT $3";

impl Store {
    /// A page of one runner's integrations, with the token and the runner it is asked for.
    pub async fn runner_page(&self, query: RunnerPageQuery) -> Result<RunnerPage> {
        self.runner_pages.ask(query).await
    }

    /// A page of integrations of many runners, oldest first.
    pub async fn integrations(
        &self,
        scope: IntegrationScope,
        page: PageRequest,
    ) -> Result<Page<Integration>> {
        let (sql, owner) = match scope {
            IntegrationScope::Organization(id) => (OF_ORGANIZATION, id.0),
            IntegrationScope::CreatedBy(id) => (OF_CREATOR, id.0),
        };
        let records: Vec<Vec<u8>> = on!(self, pool => sqlx::query_scalar(sql)
            .bind(owner).bind(page.after.0).bind(page.size.with_lookahead()).fetch_all(pool).await)?;
        let rows = record::decode_all(&records.concat())?;
        Ok(Page::cut(rows, page.size, |row| row.id.0))
    }
}
