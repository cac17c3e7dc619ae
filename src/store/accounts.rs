//! Members' accounts at forges. The token is a record of the keyring, which is opened elsewhere.
use sqlx::FromRow;

use super::{
    Store,
    changes::log_audit,
    on,
    rotation::require_seed,
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    clock::Instant,
    domain::{
        account::{Account, ForgeUrl, MOST_ACCOUNTS, RESOURCE, ScmType, too_many},
        audit::{Actor, Entry},
        forge::Profile,
        id::{AccountId, OrganizationId, UserId},
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
pub(super) struct Row {
    id: AccountId,
    member_id: UserId,
    scm_type: String,
    origin: String,
    base_path: String,
    uid: String,
    username: String,
    email: Option<String>,
    avatar_url: Option<String>,
    profile_url: String,
    version: i64,
    created_at: Instant,
    profiled_at: Instant,
}

impl TryFrom<Row> for Account {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let Row { id, member_id, scm_type, origin, base_path, uid, username, email, avatar_url, .. } = row;
        let unknown = || Error::new(Kind::DataLoss, "an account has an unknown type");
        Ok(Self {
            id,
            member: member_id,
            scm_type: ScmType::from_id(&scm_type).ok_or_else(unknown)?,
            url: ForgeUrl::from_stored(origin, base_path),
            profile: Profile { uid, username, email, avatar_url, profile_url: row.profile_url },
            created_at: row.created_at,
            version: row.version.unsigned_abs(),
            profiled_at: row.profiled_at,
        })
    }
}

macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT id, member_id, scm_type, origin, base_path, uid, username, email, avatar_url, profile_url, \
             version, created_at, profiled_at FROM scm_account WHERE ",
            $rest
        )
    };
}
pub(super) const LIST: &str = select_account!("organization_id = $1 AND member_id = $2 ORDER BY id");
pub(super) const NEWEST: &str =
    select_account!("organization_id = $1 AND member_id = $2 AND scm_type = $3 ORDER BY id DESC LIMIT 1");

impl Store {
    /// Stores an account and its token's record.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] on `url` if the member has one of this type at this origin, [`Kind::Precondition`] if it
    /// has too many.
    pub async fn create_account(&self, actor: Actor, account: Account, record: Vec<u8>) -> Result<()> {
        self.write((actor, account, record), |tx, (actor, account, record)| {
            Box::pin(async move {
                insert(tx, actor, account, record).await?;
                let entry = Entry::new("scm_account.create", &account.id)
                    .with("scm_type", account.scm_type.id())
                    .with("origin", account.url.origin());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// One account of a member.
    pub async fn account(
        &self,
        organization: OrganizationId,
        member: UserId,
        id: AccountId,
    ) -> Result<Option<Account>> {
        const SQL: &str = select_account!("id = $1 AND organization_id = $2 AND member_id = $3");
        let row: Option<Row> = on!(self, pool => sqlx::query_as(SQL)
            .bind(id).bind(organization).bind(member).fetch_optional(pool).await)?;
        row.map(Account::try_from).transpose()
    }

    /// The account of this type that a member linked last.
    pub async fn newest_account(
        &self,
        organization: OrganizationId,
        member: UserId,
        scm_type: ScmType,
    ) -> Result<Option<Account>> {
        let row: Option<Row> = on!(self, pool => sqlx::query_as(NEWEST)
            .bind(organization).bind(member).bind(scm_type.id()).fetch_optional(pool).await)?;
        row.map(Account::try_from).transpose()
    }

    /// The record of the token of a member's account.
    pub async fn account_token(
        &self,
        organization: OrganizationId,
        member: UserId,
        id: AccountId,
    ) -> Result<Option<Vec<u8>>> {
        const SQL: &str = "SELECT access_token FROM scm_account \
            WHERE id = $1 AND organization_id = $2 AND member_id = $3";
        on!(self, pool => sqlx::query_scalar(SQL)
            .bind(id).bind(organization).bind(member).fetch_optional(pool).await)
    }

    /// Replaces an account's token and profile, if it is still at `account`'s version; the next version.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if it changed meanwhile, [`Kind::NotFound`] if it is gone.
    pub async fn replace_account_token(&self, actor: Actor, account: Account, record: Vec<u8>) -> Result<()> {
        self.write((actor, account, record), |tx, (actor, account, record)| {
            Box::pin(async move {
                swap(tx, actor, account, record).await?;
                log_audit(tx, actor, &Entry::new("scm_account.replace_token", &account.id)).await
            })
        })
        .await
    }

    /// Deletes an account of a member with its token. `false`: there is none.
    pub async fn delete_account(&self, actor: Actor, member: UserId, id: AccountId) -> Result<bool> {
        const SQL: &str = "DELETE FROM scm_account WHERE id = $1 AND organization_id = $2 AND member_id = $3";
        self.write((actor, member, id), |tx, (actor, member, id)| {
            Box::pin(async move {
                if execute!(tx, SQL, *id, actor.organization, *member)? == 0 {
                    return Ok(false);
                }
                log_audit(tx, actor, &Entry::new("scm_account.delete", id)).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn insert(tx: &mut Tx, actor: &Actor, account: &Account, record: &[u8]) -> Result<()> {
    const COUNT: &str = "SELECT COUNT(*) FROM scm_account WHERE organization_id = $1 AND member_id = $2";
    const SQL: &str = "INSERT INTO scm_account (id, organization_id, member_id, scm_type, origin, base_path, uid, \
        username, email, avatar_url, profile_url, access_token, version, created_at, updated_at, \
        profiled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    let there: i64 = on_tx!(tx, conn => sqlx::query_scalar(COUNT)
        .bind(actor.organization).bind(account.member).fetch_one(conn).await)?;
    if usize::try_from(there).map_err(Error::internal)? >= MOST_ACCOUNTS {
        return Err(too_many());
    }
    require_seed(tx, Some(record)).await?;
    let profile = &account.profile;
    let inserted = execute!(
        tx,
        SQL,
        account.id,
        actor.organization,
        account.member,
        account.scm_type.id(),
        account.url.origin(),
        account.url.base_path(),
        &profile.uid,
        &profile.username,
        &profile.email,
        &profile.avatar_url,
        &profile.profile_url,
        record,
        version(account.version),
        account.created_at,
        actor.at,
        account.profiled_at,
    );
    inserted.map(|_| ()).map_err(|error| match error.kind() {
        Kind::AlreadyExists => {
            Error::new(Kind::AlreadyExists, "is linked already").blaming("url", "sealink.unique")
        }
        _ => error,
    })
}

async fn swap(tx: &mut Tx, actor: &Actor, account: &Account, record: &[u8]) -> Result<()> {
    const SQL: &str = "UPDATE scm_account SET access_token = $3, username = $4, email = $5, avatar_url = $6, \
        profile_url = $7, version = version + 1, updated_at = $8, profiled_at = $8 \
        WHERE id = $1 AND version = $2 AND organization_id = $9 AND member_id = $10";
    const EXISTS: &str = "SELECT version FROM scm_account \
        WHERE id = $1 AND organization_id = $2 AND member_id = $3";
    require_seed(tx, Some(record)).await?;
    let profile = &account.profile;
    let touched = execute!(
        tx,
        SQL,
        account.id,
        version(account.version),
        record,
        &profile.username,
        &profile.email,
        &profile.avatar_url,
        &profile.profile_url,
        actor.at,
        actor.organization,
        account.member,
    )?;
    if touched > 0 {
        return Ok(());
    }
    let found = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(EXISTS)
        .bind(account.id).bind(actor.organization).bind(account.member).fetch_optional(conn).await)?;
    Err(found.map_or_else(|| Error::not_found(RESOURCE), |_| changed_meanwhile()))
}
