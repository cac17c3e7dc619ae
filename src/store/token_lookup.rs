//! The look-up that every request makes: who is behind a token. Those that wait at the same moment share a query.
use futures_util::future::BoxFuture;
use serde::{Deserialize, Deserializer, de::Error as _};
use sqlx::{Connection, FromRow, PgPool, SqliteConnection};

use super::{Store, combine::Answer, failure::failure};
use crate::{
    clock::Instant,
    domain::{
        id::{OrganizationId, RunnerId, UserId},
        token::{TokenHash, TokenId, TokenKind},
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

/// The columns that make a [`StoredToken`]; all absent where a look-up found nothing. Read from a row of
/// PostgreSQL, or from SQLite's JSON array of the same order.
#[derive(Deserialize, FromRow)]
pub(super) struct Columns {
    token_id: Option<TokenId>,
    token_organization: Option<OrganizationId>,
    token_kind: Option<TokenKind>,
    #[serde(deserialize_with = "hash")]
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

/// A hash in hexadecimal digits.
fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    let Some(digits) = Option::<&str>::deserialize(deserializer)? else { return Ok(None) };
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>();
    bytes.map(Some).map_err(|_| D::Error::custom("no hexadecimal digits"))
}

/// Select list and joins for [`Columns`], given a source `a` with the token's id as `a.token_id`.
macro_rules! token_columns {
    () => {
        "t.token_id, t.organization_id AS token_organization, t.kind AS token_kind, t.secret_hash, \
         t.read_only, t.expires_at, t.revoked_at, t.last_used_at, t.member_id, \
         t.runner_id AS token_runner_id, m.role, m.disabled_at"
    };
}
/// The same as one JSON array, for SQLite, whose driver pays for every cell.
macro_rules! token_json {
    () => {
        "json_array(t.token_id, nullif(hex(t.organization_id), ''), t.kind, nullif(hex(t.secret_hash), ''), \
         json(iif(t.read_only, 'true', 'false')), t.expires_at, t.revoked_at, t.last_used_at, \
         nullif(hex(t.member_id), ''), nullif(hex(t.runner_id), ''), m.role, m.disabled_at)"
    };
}
macro_rules! token_joins {
    ($id:literal) => {
        concat!("LEFT JOIN token t ON t.token_id = ", $id, " LEFT JOIN member m ON m.id = t.member_id ")
    };
}
pub(super) use {token_columns, token_joins, token_json};

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

#[derive(Deserialize, FromRow)]
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

/// For SQLite: the ids as a JSON array, and so the answers: each row of its own would wake a thread.
pub(super) const SQLITE_TOKENS: &str = concat!(
    "SELECT json_group_array(json_array(a.key, ",
    token_json!(),
    ")) FROM json_each($1) a ",
    token_joins!("a.value")
);

/// Looks tokens up on a connection of its own.
pub(super) struct SqliteTokens(pub(super) SqliteConnection);

impl Answer<TokenId, Option<StoredToken>> for SqliteTokens {
    fn answer<'q>(&'q mut self, ids: &'q [TokenId]) -> BoxFuture<'q, Result<Vec<Option<StoredToken>>>> {
        Box::pin(async move {
            let ids: Vec<_> = ids.iter().map(|id| &id.0).collect();
            let asked = serde_json::to_string(&ids).map_err(Error::internal)?;
            let query = sqlx::query_scalar(SQLITE_TOKENS).bind(asked);
            let found: String = query.fetch_one(&mut self.0).await.map_err(failure)?;
            Ok(in_order(serde_json::from_str(&found).map_err(Error::internal)?, ids.len()))
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self.0.close().await) })
    }
}

/// Looks tokens up through the pool.
pub(super) struct PostgresTokens(pub(super) PgPool);

impl Answer<TokenId, Option<StoredToken>> for PostgresTokens {
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

impl Store {
    /// The token of that public id, with its owner's present state.
    pub async fn token(&self, id: TokenId) -> Result<Option<StoredToken>> {
        self.tokens.ask(id).await
    }
}
