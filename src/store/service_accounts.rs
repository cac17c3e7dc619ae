//! Service accounts: members without a login.
use sqlx::FromRow;

use super::{
    Store,
    changes::log_audit,
    members::DISABLE,
    on,
    tx::{dialect, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{OrganizationId, UserId},
        page::{Page, PageRequest},
        service_account::{NewServiceAccount, ServiceAccount},
        user::Role,
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
struct AccountRow {
    id: UserId,
    name: String,
    description: String,
    role: Role,
    disabled_at: Option<Instant>,
    created_at: Instant,
}

impl From<AccountRow> for ServiceAccount {
    fn from(row: AccountRow) -> Self {
        let AccountRow { id, name, description, role, disabled_at, created_at } = row;
        Self { id, name, description, role, disabled_at, created_at }
    }
}

macro_rules! select_account {
    ($where:literal) => {
        concat!(
            "SELECT id, name, description, role, disabled_at, created_at FROM member \
             WHERE kind = 'SERVICE_ACCOUNT' AND ",
            $where
        )
    };
}
pub(super) const LIST: &str = select_account!("organization_id = $1 AND id > $2 ORDER BY id LIMIT $3");

impl Store {
    /// Stores a new service account.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] if the organization has a user or a service account of that name.
    pub async fn create_service_account(
        &self,
        actor: Actor,
        id: UserId,
        new: NewServiceAccount,
    ) -> Result<ServiceAccount> {
        const SQL: &str = "INSERT INTO member \
            (id, organization_id, kind, name, description, email, fullname, role, created_at) \
            VALUES ($1, $2, 'SERVICE_ACCOUNT', $3, $4, '', '', $5, $6)";
        self.write((actor, id, new), |tx, (actor, id, new)| {
            Box::pin(async move {
                execute!(tx, SQL, *id, actor.organization, &new.name, &new.description, new.role, actor.at)
                    .map_err(taken)?;
                let entry = Entry::new("service_account.create", id).with("name", new.name.as_str());
                log_audit(tx, actor, &entry).await?;
                let NewServiceAccount { name, description, role } = new.clone();
                Ok(ServiceAccount {
                    id: *id,
                    name,
                    description,
                    role,
                    disabled_at: None,
                    created_at: actor.at,
                })
            })
        })
        .await
    }

    /// A service account of the organization.
    pub async fn service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        const SQL: &str = select_account!("id = $1 AND organization_id = $2");
        let row: Option<AccountRow> =
            on!(self, pool => sqlx::query_as(SQL).bind(id).bind(organization).fetch_optional(pool).await)?;
        Ok(row.map(ServiceAccount::from))
    }

    /// Disables a service account of the organization; disabling again changes nothing.
    pub async fn disable_service_account(&self, actor: Actor, id: UserId) -> Result<Option<ServiceAccount>> {
        const FIND: &str = select_account!("id = $1 AND organization_id = $2");
        const FIND_LOCKED: &str = select_account!("id = $1 AND organization_id = $2 FOR UPDATE");
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let sql = dialect(tx, FIND, FIND_LOCKED);
                let row: Option<AccountRow> = on_tx!(tx, conn => sqlx::query_as(sql)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(mut account) = row.map(ServiceAccount::from) else { return Ok(None) };
                if account.disabled_at.is_none() {
                    execute!(tx, DISABLE, *id, actor.at)?;
                    log_audit(tx, actor, &Entry::new("service_account.disable", id)).await?;
                    account.disabled_at = Some(actor.at);
                }
                Ok(Some(account))
            })
        })
        .await
    }

    /// A page of the organization's service accounts, oldest first.
    pub async fn service_accounts(
        &self,
        organization: OrganizationId,
        page: PageRequest,
    ) -> Result<Page<ServiceAccount>> {
        let rows: Vec<AccountRow> = on!(self, pool => sqlx::query_as(LIST)
            .bind(organization).bind(page.after.0).bind(page.size.with_lookahead()).fetch_all(pool).await)?;
        let rows = rows.into_iter().map(ServiceAccount::from).collect();
        Ok(Page::cut(rows, page.size, |account: &ServiceAccount| account.id.0))
    }
}

fn taken(error: Error) -> Error {
    match error.kind() {
        Kind::AlreadyExists => {
            Error::new(Kind::AlreadyExists, "a user or service account of this name already exists")
                .blaming("name", "sealink.unique")
        }
        _ => error,
    }
}
