//! The people of an organization.
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
        user::{NewUser, Role, User},
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
struct UserRow {
    id: UserId,
    name: String,
    email: String,
    fullname: String,
    role: Role,
    disabled_at: Option<Instant>,
    created_at: Instant,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        let UserRow { id, name, email, fullname, role, disabled_at, created_at } = row;
        Self { id, name, email, fullname, role, disabled_at, created_at }
    }
}

pub(super) async fn insert_user(
    tx: &mut super::tx::Tx,
    actor: &Actor,
    id: UserId,
    user: &NewUser,
) -> Result<()> {
    const SQL: &str = "INSERT INTO member (id, organization_id, name, email, fullname, role, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    execute!(tx, SQL, id, actor.organization, &user.name, &user.email, &user.fullname, user.role, actor.at)
        .map(|_| ())
        .map_err(|error| match error.kind() {
            Kind::AlreadyExists => {
                Error::new(Kind::AlreadyExists, "user already exists").blaming("name", "sealink.unique")
            }
            _ => error,
        })
}

macro_rules! select_user {
    ($where:literal) => {
        concat!(
            "SELECT id, name, email, fullname, role, disabled_at, created_at FROM member WHERE kind = 'USER' AND ",
            $where
        )
    };
}
pub(super) const LIST: &str = select_user!("organization_id = $1 AND id > $2 ORDER BY id LIMIT $3");
const FIND: &str = select_user!("id = $1 AND organization_id = $2");

impl Store {
    /// Stores a new user.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] if the organization has a user of that name.
    pub async fn create_user(&self, actor: Actor, id: UserId, user: NewUser) -> Result<User> {
        self.write((actor, id, user), |tx, (actor, id, user)| {
            Box::pin(async move {
                insert_user(tx, actor, *id, user).await?;
                let entry = Entry::new("user.create", id).with("name", user.name.as_str());
                log_audit(tx, actor, &entry).await?;
                let NewUser { name, email, fullname, role } = user.clone();
                Ok(User { id: *id, name, email, fullname, role, disabled_at: None, created_at: actor.at })
            })
        })
        .await
    }

    /// A user of the organization.
    pub async fn user(&self, organization: OrganizationId, id: UserId) -> Result<Option<User>> {
        let row: Option<UserRow> =
            on!(self, pool => sqlx::query_as(FIND).bind(id).bind(organization).fetch_optional(pool).await)?;
        Ok(row.map(User::from))
    }

    /// Disables a user of the organization; disabling again changes nothing.
    pub async fn disable_user(&self, actor: Actor, id: UserId) -> Result<Option<User>> {
        const FIND_LOCKED: &str = select_user!("id = $1 AND organization_id = $2 FOR UPDATE");
        // One disabling at a time: two administrators must not take each other out.
        const QUEUE: &str = "SELECT id FROM organization WHERE id = $1";
        const QUEUE_LOCKED: &str = "SELECT id FROM organization WHERE id = $1 FOR NO KEY UPDATE";
        const OTHERS: &str = "SELECT count(*) FROM member WHERE organization_id = $1 AND id <> $2 \
            AND kind = 'USER' AND role = 'ADMIN' AND disabled_at IS NULL";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let sql = dialect(tx, QUEUE, QUEUE_LOCKED);
                execute!(tx, sql, actor.organization)?;
                let sql = dialect(tx, FIND, FIND_LOCKED);
                let row: Option<UserRow> = on_tx!(tx, conn => sqlx::query_as(sql)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(mut user) = row.map(User::from) else { return Ok(None) };
                if user.disabled_at.is_none() {
                    let others: i64 = on_tx!(tx, conn => sqlx::query_scalar(OTHERS)
                        .bind(actor.organization).bind(*id).fetch_one(conn).await)?;
                    if others == 0 {
                        let message = "the last administrator stays: make another user one first";
                        return Err(Error::new(Kind::Precondition, message));
                    }
                    execute!(tx, DISABLE, *id, actor.at)?;
                    log_audit(tx, actor, &Entry::new("user.disable", id)).await?;
                    user.disabled_at = Some(actor.at);
                }
                Ok(Some(user))
            })
        })
        .await
    }

    /// A page of the organization's users, oldest first.
    pub async fn users(&self, organization: OrganizationId, page: PageRequest) -> Result<Page<User>> {
        let rows: Vec<UserRow> = on!(self, pool => sqlx::query_as(LIST)
            .bind(organization).bind(page.after.0).bind(page.size.with_lookahead()).fetch_all(pool).await)?;
        Ok(Page::cut(rows.into_iter().map(User::from).collect(), page.size, |user| user.id.0))
    }
}
