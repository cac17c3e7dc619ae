//! API tokens: looked up on every request, so the look-ups are combined.
use futures_util::future::BoxFuture;
use sqlx::{Connection, FromRow, PgPool, SqliteConnection};
use uuid::Uuid;

use super::{
    Store,
    changes::log_audit,
    combine::Answer,
    failure::failure,
    on, sqlite,
    tx::{execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{OrganizationId, RunnerId, UserId},
        page::{Page, PageRequest},
        token::{ApiToken, TokenHash, TokenId, TokenKind},
        user::Role,
    },
    error::{Error, Result},
};

/// Whom a token acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOwner {
    /// A person.
    Member {
        /// The user.
        id: UserId,
        /// Its present role.
        role: Role,
        /// Whether it was disabled.
        disabled: bool,
    },
    /// A runner.
    Runner(RunnerId),
}

/// A token as it is needed to decide whether a request is authentic.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// Its public id.
    pub id: TokenId,
    /// Where it belongs.
    pub organization: OrganizationId,
    /// What it is for.
    pub kind: TokenKind,
    /// Whom it acts as.
    pub owner: TokenOwner,
    /// SHA-256 of its secret.
    pub hash: TokenHash,
    /// Whether it only reads.
    pub read_only: bool,
    /// When it ends.
    pub expires_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// When it was last used, exact to an hour.
    pub last_used_at: Option<Instant>,
}

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

/// The question of a combined look-up.
pub(crate) type TokenLookup = TokenId;

/// The columns that make a [`StoredToken`]; all absent where a look-up found nothing.
#[derive(FromRow)]
pub(super) struct Columns {
    token_id: Option<TokenId>,
    token_organization: Option<OrganizationId>,
    token_kind: Option<TokenKind>,
    secret_hash: Option<Vec<u8>>,
    read_only: Option<bool>,
    expires_at: Option<Instant>,
    revoked_at: Option<Instant>,
    last_used_at: Option<Instant>,
    member_id: Option<UserId>,
    token_runner_id: Option<RunnerId>,
    role: Option<Role>,
    disabled_at: Option<Instant>,
}

/// Select list and joins for [`Columns`], given a source `a` with the token's id as `a.token_id`.
macro_rules! token_columns {
    () => {
        "t.token_id, t.organization_id AS token_organization, t.kind AS token_kind, t.secret_hash, \
         t.read_only, t.expires_at, t.revoked_at, t.last_used_at, t.member_id, \
         t.runner_id AS token_runner_id, m.role, m.disabled_at"
    };
}
macro_rules! token_joins {
    ($id:literal) => {
        concat!("LEFT JOIN token t ON t.token_id = ", $id, " LEFT JOIN member m ON m.id = t.member_id ")
    };
}
pub(super) use {token_columns, token_joins};

impl Columns {
    pub(super) fn token(self) -> Option<StoredToken> {
        let owner = match (self.member_id, self.token_runner_id) {
            (Some(id), _) => {
                TokenOwner::Member { id, role: self.role?, disabled: self.disabled_at.is_some() }
            }
            (None, id) => TokenOwner::Runner(id?),
        };
        Some(StoredToken {
            id: self.token_id?,
            organization: self.token_organization?,
            kind: self.token_kind?,
            owner,
            hash: self.secret_hash?.try_into().ok()?,
            read_only: self.read_only?,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            last_used_at: self.last_used_at,
        })
    }
}

#[derive(FromRow)]
struct Found {
    n: i64,
    #[sqlx(flatten)]
    columns: Columns,
}

fn in_order(found: Vec<Found>, questions: usize) -> Vec<Option<StoredToken>> {
    let mut answers = vec![None; questions];
    for row in found {
        if let Some(answer) = usize::try_from(row.n).ok().and_then(|n| answers.get_mut(n)) {
            *answer = row.columns.token();
        }
    }
    answers
}

/// For SQLite: the ids as a JSON array.
pub(super) const SQLITE_TOKENS: &str =
    concat!("SELECT a.key AS n, ", token_columns!(), " FROM json_each($1) a ", token_joins!("a.value"));

/// Looks tokens up on a connection of its own.
pub(super) struct SqliteTokens(pub(super) SqliteConnection);

impl Answer<TokenLookup, Option<StoredToken>> for SqliteTokens {
    fn answer<'q>(&'q mut self, ids: &'q [TokenId]) -> BoxFuture<'q, Result<Vec<Option<StoredToken>>>> {
        Box::pin(async move {
            let ids: Vec<_> = ids.iter().map(|id| &id.0).collect();
            let asked = serde_json::to_string(&ids).map_err(Error::internal)?;
            let query = sqlx::query_as(SQLITE_TOKENS).bind(asked);
            Ok(in_order(sqlite::rows(&mut self.0, query, ids.len()).await?, ids.len()))
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self.0.close().await) })
    }
}

/// Looks tokens up through the pool.
pub(super) struct PostgresTokens(pub(super) PgPool);

impl Answer<TokenLookup, Option<StoredToken>> for PostgresTokens {
    fn answer<'q>(&'q mut self, ids: &'q [TokenId]) -> BoxFuture<'q, Result<Vec<Option<StoredToken>>>> {
        const SQL: &str = concat!(
            "SELECT a.n - 1 AS n, ",
            token_columns!(),
            " FROM unnest($1::text[]) WITH ORDINALITY a (token_id, n) ",
            token_joins!("a.token_id")
        );
        Box::pin(async move {
            let ids: Vec<_> = ids.iter().map(|id| id.0.clone()).collect();
            let questions = ids.len();
            let found = sqlx::query_as(SQL).bind(ids).fetch_all(&self.0).await.map_err(failure)?;
            Ok(in_order(found, questions))
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        // The pool is the store's.
        Box::pin(async {})
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

impl Store {
    /// The token of that public id, with its owner's present state.
    pub async fn token(&self, id: TokenId) -> Result<Option<StoredToken>> {
        self.tokens.ask(id).await
    }

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
