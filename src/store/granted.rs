//! What policies let a member see, with the role it has there.
use sqlx::FromRow;

use super::{
    Store, on, record,
    runner_policies::{granted_role, granted_runners},
};
use crate::{
    domain::{
        id::UserId,
        integration::Integration,
        page::{Page, PageRequest},
        runner_policy::RunnerRole,
    },
    error::Result,
};

#[derive(FromRow)]
struct GrantedRow {
    record: Vec<u8>,
    role: RunnerRole,
}

/// Walks what the member may see, and no more: its groups, their runners, those runners' integrations.
pub(super) const INTEGRATIONS: &str = concat!(
    "SELECT i.record, ",
    granted_role!("i.runner_id"),
    " AS role FROM scm_integration i WHERE i.runner_id IN (",
    granted_runners!(),
    ") AND i.id > $2 ORDER BY i.id LIMIT $3"
);

impl Store {
    /// A page of the integrations of the runners on which policies give a member a role, oldest first.
    pub async fn granted_integrations(
        &self,
        member: UserId,
        page: PageRequest,
    ) -> Result<Page<(Integration, RunnerRole)>> {
        let rows: Vec<GrantedRow> = on!(self, pool => sqlx::query_as(INTEGRATIONS)
            .bind(member).bind(page.after.0).bind(page.size.with_lookahead()).fetch_all(pool).await)?;
        let decoded = |row: GrantedRow| Ok((record::decode(&row.record)?, row.role));
        let rows = rows.into_iter().map(decoded).collect::<Result<_>>()?;
        Ok(Page::cut(rows, page.size, |(integration, _): &(Integration, _)| integration.id.0))
    }
}
