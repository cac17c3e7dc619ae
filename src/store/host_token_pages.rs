//! Pages of host tokens, and those that go with an integration.
use uuid::Uuid;

use super::{
    Store,
    host_tokens::{Row, remove, select_host_token},
    on,
    runner_policies::{granted_role, granted_runners},
    tx::{Tx, on_tx},
};
use crate::{
    domain::{
        access::Visible,
        audit::Actor,
        host::Host,
        host_token::{HostToken, HostTokenFilter, Source},
        id::{IntegrationId, OrganizationId, RunnerId, UserId},
        page::{Page, PageRequest},
    },
    error::Result,
};

/// One more condition of every list: the subject, and whether it has to be a user.
macro_rules! list {
    ($where:literal) => {
        select_host_token!($where
            " AND id > $2 AND ($4 = 0 OR subject_id = $5) AND ($6 = 0 OR principal = 'USER') ORDER BY id LIMIT $3")
    };
}

pub(super) const OF_ORGANIZATION: &str = list!("WHERE organization_id = $1");
pub(super) const OF_SUBJECT: &str = list!("WHERE organization_id = $1 AND subject_id = $5");
pub(super) const OF_CREATOR: &str = list!("WHERE creator_id = $1");
pub(super) const OF_RUNNER: &str = list!("WHERE runner_id = $1");
/// Of the runners that policies give a member a role on: all where that is ADMIN, else the member's own.
pub(super) const GRANTED: &str = concat!(
    select_host_token!("WHERE runner_id IN ("),
    granted_runners!(),
    ") AND (subject_id = $1 OR ",
    granted_role!("host_token.runner_id"),
    " = 'ADMIN') AND id > $2 AND ($4 = 0 OR subject_id = $5) AND ($6 = 0 OR principal = 'USER') ORDER BY id LIMIT $3"
);

impl Store {
    /// A page of the host tokens of others' runners that policies let a member see, oldest first.
    pub async fn granted_host_tokens(
        &self,
        member: UserId,
        filter: HostTokenFilter,
        page: PageRequest,
    ) -> Result<Page<HostToken>> {
        self.host_token_page(GRANTED, member.0, filter, page).await
    }

    /// A page of host tokens a caller may see, oldest first. A runner named by the filter is taken for one
    /// the caller may see.
    pub async fn host_tokens(
        &self,
        organization: OrganizationId,
        visible: Visible,
        filter: HostTokenFilter,
        page: PageRequest,
    ) -> Result<Page<HostToken>> {
        let subject = filter.subject.is_some() || filter.user.is_some();
        let (sql, of) = match (filter.runner, visible) {
            (Some(runner), _) | (None, Visible::Only(runner)) => (OF_RUNNER, runner.0),
            (None, Visible::CreatedBy(user)) => (OF_CREATOR, user.0),
            (None, Visible::Organization) if subject => (OF_SUBJECT, organization.0),
            (None, Visible::Organization) => (OF_ORGANIZATION, organization.0),
        };
        self.host_token_page(sql, of, filter, page).await
    }

    async fn host_token_page(
        &self,
        sql: &'static str,
        of: Uuid,
        filter: HostTokenFilter,
        page: PageRequest,
    ) -> Result<Page<HostToken>> {
        let subject = filter.subject.or(filter.user.map(|user| user.0));
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(sql)
            .bind(of).bind(page.after.0).bind(page.size.with_lookahead())
            .bind(i64::from(subject.is_some())).bind(subject.unwrap_or_default())
            .bind(i64::from(filter.user.is_some()))
            .fetch_all(pool).await)?;
        let tokens =
            rows.into_iter().map(|row| row.decode().map(|(token, _)| token)).collect::<Result<_>>()?;
        Ok(Page::cut(tokens, page.size, |token: &HostToken| token.id.0))
    }
}

/// Removes the host tokens of `source` that came by an integration; how many. Those that name none go with
/// the last integration of the runner that serves their host. The runner's row must be locked by now.
pub(super) async fn remove_of_integration(
    tx: &mut Tx,
    actor: &Actor,
    (runner, integration, host): (RunnerId, IntegrationId, &Host),
    source: Source,
) -> Result<u32> {
    const SQL: &str = select_host_token!(
        "WHERE runner_id = $1 AND host_key = $2 AND source = $3 AND (integration_id = $4 OR \
         (integration_id IS NULL AND NOT EXISTS (SELECT 1 FROM scm_integration i \
          WHERE i.runner_id = $1 AND i.host_key = $2 AND i.id <> $4))) ORDER BY id"
    );
    let rows: Vec<Row> = on_tx!(tx, conn => sqlx::query_as(SQL)
        .bind(runner).bind(host.key()).bind(source).bind(integration).fetch_all(conn).await)?;
    let mut removed = 0;
    for row in rows {
        remove(tx, actor, &row.decode()?.0).await?;
        removed += 1;
    }
    Ok(removed)
}
