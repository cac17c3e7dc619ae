//! LLM integrations with their ciphertexts: one, or a page of them, by one statement each.
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, llm_integrations::HeaderRecord, on, runner_policies::granted_runners};
use crate::{
    clock::Instant,
    domain::{
        access::RunnerFacts,
        id::{LlmIntegrationId, OrganizationId, RunnerId, UserId},
        llm_header::Header,
        llm_integration::LlmIntegration,
        page::{After, Page, PageRequest},
        secret::{Kid, Sealed},
    },
    error::{Error, Kind, Result},
};

/// Which LLM integrations a list shows.
#[derive(Clone, Copy, Debug)]
pub enum LlmScope {
    /// The whole organization's.
    Organization(OrganizationId),
    /// Those of the runners a user created.
    CreatedBy(UserId),
    /// Those of the runners that policies have a member administer.
    GrantedTo(UserId),
    /// One runner's.
    Runner(RunnerId),
}

/// An integration and one of its ciphertexts, if it has any.
#[derive(FromRow)]
struct Row {
    id: LlmIntegrationId,
    organization_id: OrganizationId,
    runner_id: RunnerId,
    creator_id: UserId,
    models: String,
    headers: String,
    endpoint: String,
    max_tokens: i64,
    disabled: bool,
    version: i64,
    created_at: Instant,
    updated_at: Instant,
    field: Option<String>,
    name: Option<String>,
    kid: Option<Kid>,
    sealed: Option<Vec<u8>>,
}

impl Row {
    fn facts(&self) -> RunnerFacts {
        RunnerFacts { id: self.runner_id, organization: self.organization_id, creator: self.creator_id }
    }

    fn integration(&self) -> Result<LlmIntegration> {
        let damaged =
            |error| Error::new(Kind::DataLoss, "a stored LLM integration is damaged").caused_by(error);
        let headers: Vec<HeaderRecord> = serde_json::from_str(&self.headers).map_err(damaged)?;
        let header = |HeaderRecord { name, kind }| Header { name, kind, value: None };
        Ok(LlmIntegration {
            id: self.id,
            runner: self.runner_id,
            models: serde_json::from_str(&self.models).map_err(damaged)?,
            endpoint: self.endpoint.clone(),
            max_tokens: self.max_tokens.unsigned_abs(),
            disabled: self.disabled,
            api_key: None,
            headers: headers.into_iter().map(header).collect(),
            version: self.version.unsigned_abs(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    /// Puts the row's ciphertext where it belongs.
    fn fill(self, integration: &mut LlmIntegration) {
        let sealed = self.sealed.zip(self.kid).map(|(bytes, kid)| Sealed { bytes, kid });
        match (self.field.as_deref(), self.name) {
            (Some("llm.api_key"), _) => integration.api_key = sealed,
            (Some("llm.header"), Some(name)) => {
                if let Some(header) = integration.headers.iter_mut().find(|header| header.name == name) {
                    header.value = sealed;
                }
            }
            _ => {}
        }
    }
}

/// The rows of one integration stand together.
fn gather(rows: Vec<Row>) -> Result<Vec<(LlmIntegration, RunnerFacts)>> {
    let mut found: Vec<(LlmIntegration, RunnerFacts)> = Vec::new();
    for row in rows {
        if found.last().is_none_or(|(last, _)| last.id != row.id) {
            found.push((row.integration()?, row.facts()));
        }
        if let Some((last, _)) = found.last_mut() {
            row.fill(last);
        }
    }
    Ok(found)
}

macro_rules! administered_runners {
    () => {
        concat!("WHERE runner_id IN (", granted_runners!(), " AND p.role = 'ADMIN')")
    };
}

macro_rules! select_llm {
    ($($where:tt)+) => {
        concat!(
            "SELECT l.id, l.organization_id, l.runner_id, l.creator_id, l.models, l.headers, l.endpoint, \
             l.max_tokens, l.disabled, l.version, l.created_at, l.updated_at, s.field, s.name, s.kid, s.sealed \
             FROM (SELECT id, organization_id, runner_id, creator_id, models, headers, endpoint, max_tokens, \
             disabled, version, created_at, updated_at FROM llm_integration ",
            $($where)+,
            " AND id > $2 ORDER BY id LIMIT $3) l LEFT JOIN sealed_secret s ON s.sub = l.id ORDER BY l.id"
        )
    };
}

pub(super) const OF_ORGANIZATION: &str = select_llm!("WHERE organization_id = $1");
pub(super) const OF_CREATOR: &str = select_llm!("WHERE creator_id = $1");
pub(super) const OF_RUNNER: &str = select_llm!("WHERE runner_id = $1");
/// Of the runners that policies have a member administer: those who may only use a runner see none of them.
pub(super) const GRANTED: &str = select_llm!(administered_runners!());
const ONE: &str = select_llm!("WHERE id = $1");

impl Store {
    /// An LLM integration of the organization, with its runner.
    pub async fn llm_integration(
        &self,
        organization: OrganizationId,
        id: LlmIntegrationId,
    ) -> Result<Option<(LlmIntegration, RunnerFacts)>> {
        let rows = self.llm_rows(ONE, id.0, After::START, 1).await?;
        Ok(gather(rows)?.pop().filter(|(_, runner)| runner.organization == organization))
    }

    /// A page of LLM integrations, oldest first.
    pub async fn llm_integrations(&self, scope: LlmScope, page: PageRequest) -> Result<Page<LlmIntegration>> {
        let (sql, of) = match scope {
            LlmScope::Organization(id) => (OF_ORGANIZATION, id.0),
            LlmScope::CreatedBy(id) => (OF_CREATOR, id.0),
            LlmScope::GrantedTo(id) => (GRANTED, id.0),
            LlmScope::Runner(id) => (OF_RUNNER, id.0),
        };
        let rows = self.llm_rows(sql, of, page.after, page.size.with_lookahead()).await?;
        let found = gather(rows)?.into_iter().map(|(integration, _)| integration).collect();
        Ok(Page::cut(found, page.size, |one: &LlmIntegration| one.id.0))
    }

    async fn llm_rows(&self, sql: &'static str, of: Uuid, after: After, limit: i64) -> Result<Vec<Row>> {
        on!(self, pool => sqlx::query_as(sql).bind(of).bind(after.0).bind(limit).fetch_all(pool).await)
    }
}
