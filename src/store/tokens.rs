//! API tokens: made, listed, exchanged, revoked. Looking one up is in `token_lookup.rs`.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    changes::log_audit,
    on,
    tx::{execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{OrganizationId, RunnerId, UserId},
        page::{Page, PageRequest},
        token::{ApiToken, TokenHash, TokenId, TokenKind},
    },
    error::Result,
};

#[derive(FromRow)]
struct ListedRow {
    token_id: TokenId,
    id: Uuid,
    kind: TokenKind,
    member_id: Option<UserId>,
    runner_id: Option<RunnerId>,
    description: String,
    read_only: bool,
    created_at: Instant,
    expires_at: Option<Instant>,
    last_used_at: Option<Instant>,
    revoked_at: Option<Instant>,
}

impl From<ListedRow> for ApiToken {
    fn from(row: ListedRow) -> Self {
        let ListedRow {
            token_id,
            id,
            kind,
            member_id,
            runner_id,
            description,
            read_only,
            created_at,
            expires_at,
            last_used_at,
            revoked_at,
        } = row;
        Self {
            id: token_id,
            order: id,
            kind,
            member: member_id,
            runner: runner_id,
            description,
            read_only,
            created_at,
            expires_at,
            last_used_at,
            revoked_at,
        }
    }
}

/// A token to be stored.
#[derive(Clone, Debug)]
pub struct NewTokenRow {
    /// Orders the list.
    pub id: Uuid,
    /// Its public id.
    pub token_id: TokenId,
    /// What it is for.
    pub kind: TokenKind,
    /// The user it acts as, or none.
    pub member: Option<UserId>,
    /// The runner it acts as, or none.
    pub runner: Option<RunnerId>,
    /// SHA-256 of its secret.
    pub hash: TokenHash,
    /// What it is for, in words.
    pub description: String,
    /// Whether it only reads.
    pub read_only: bool,
    /// When it ends.
    pub expires_at: Option<Instant>,
}

pub(super) async fn insert_token(tx: &mut super::tx::Tx, actor: &Actor, token: &NewTokenRow) -> Result<()> {
    const SQL: &str = "INSERT INTO token \
        (token_id, id, organization_id, kind, member_id, runner_id, secret_hash, description, read_only, \
         created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    execute!(
        tx,
        SQL,
        &token.token_id,
        token.id,
        actor.organization,
        token.kind,
        token.member,
        token.runner,
        token.hash.as_slice(),
        &token.description,
        token.read_only,
        actor.at,
        token.expires_at,
    )
    .map(|_| ())
}

pub(super) const ALL: &str = "SELECT token_id, id, kind, member_id, runner_id, description, read_only, created_at, \
    expires_at, last_used_at, revoked_at FROM token \
    WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(super) const OF_MEMBER: &str = "SELECT token_id, id, kind, member_id, runner_id, description, read_only, \
    created_at, expires_at, last_used_at, revoked_at FROM token \
    WHERE organization_id = $1 AND member_id = $4 AND id > $2 ORDER BY id LIMIT $3";

/// What tells one set of revoked tokens from a later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Revoked {
    count: i64,
    latest: i64,
}

pub(super) const REVOKED: &str = "SELECT count(*) AS count, coalesce(max(revoked_at), 0) AS latest FROM token \
    WHERE revoked_at IS NOT NULL AND kind <> 'EXCHANGE'";

impl Store {
    /// Stores a new token; `action` names the audit entry.
    pub async fn create_token(&self, actor: Actor, token: NewTokenRow, action: &'static str) -> Result<()> {
        self.write((actor, token, action), |tx, (actor, token, action)| {
            Box::pin(async move {
                insert_token(tx, actor, token).await?;
                let owner = token.member.map(|id| id.0).or(token.runner.map(|id| id.0)).unwrap_or_default();
                let entry = Entry::new(action, &token.token_id)
                    .with("owner", owner.to_string())
                    .with("read_only", token.read_only);
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Uses up an exchange token and stores the access token it is exchanged for. `false`: it was used,
    /// revoked or expired meanwhile.
    pub async fn exchange_token(&self, actor: Actor, used: TokenId, token: NewTokenRow) -> Result<bool> {
        const USE: &str = "UPDATE token SET revoked_at = $2, last_used_at = $2 \
            WHERE token_id = $1 AND kind = 'EXCHANGE' AND revoked_at IS NULL AND expires_at > $2";
        self.write((actor, used, token), |tx, (actor, used, token)| {
            Box::pin(async move {
                if execute!(tx, USE, used, actor.at)? == 0 {
                    return Ok(false);
                }
                insert_token(tx, actor, token).await?;
                log_audit(
                    tx,
                    actor,
                    &Entry::new("token.exchange", &token.token_id).with("used", used.0.as_str()),
                )
                .await?;
                Ok(true)
            })
        })
        .await
    }

    /// Revokes a token of the organization. `false`: there is none.
    pub async fn revoke_token(&self, actor: Actor, id: TokenId) -> Result<bool> {
        const FIND: &str = "SELECT revoked_at FROM token WHERE token_id = $1 AND organization_id = $2";
        const REVOKE: &str = "UPDATE token SET revoked_at = $2 WHERE token_id = $1 AND revoked_at IS NULL";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let found = on_tx!(tx, conn => sqlx::query_scalar::<_, Option<Instant>>(FIND)
                    .bind(id).bind(actor.organization).fetch_optional(conn).await)?;
                match found {
                    None => Ok(false),
                    Some(Some(_)) => Ok(true),
                    Some(None) => {
                        if execute!(tx, REVOKE, id, actor.at)? > 0 {
                            log_audit(tx, actor, &Entry::new("token.revoke", id)).await?;
                        }
                        Ok(true)
                    }
                }
            })
        })
        .await
    }

    /// Which tokens were revoked, in numbers that differ once another one is.
    pub async fn revoked(&self) -> Result<Revoked> {
        on!(self, pool => sqlx::query_as(REVOKED).fetch_one(pool).await)
    }

    /// Remembers, to the hour, that a token was used.
    pub async fn touch_token(&self, id: TokenId, at: Instant) -> Result<()> {
        const SQL: &str = "UPDATE token SET last_used_at = $2 WHERE token_id = $1";
        self.write((id, at), |tx, (id, at)| Box::pin(async move { execute!(tx, SQL, id, *at).map(|_| ()) }))
            .await
    }

    /// A page of the organization's tokens, or of one user's.
    pub async fn tokens(
        &self,
        organization: OrganizationId,
        owner: Option<UserId>,
        page: PageRequest,
    ) -> Result<Page<ApiToken>> {
        let sql = if owner.is_some() { OF_MEMBER } else { ALL };
        let rows: Vec<ListedRow> = on!(self, pool => {
            let query = sqlx::query_as(sql).bind(organization).bind(page.after.0).bind(page.size.with_lookahead());
            match owner {
                Some(owner) => query.bind(owner).fetch_all(pool).await,
                None => query.fetch_all(pool).await,
            }
        })?;
        let tokens = rows.into_iter().map(ApiToken::from).collect();
        Ok(Page::cut(tokens, page.size, |token: &ApiToken| token.order))
    }
}
