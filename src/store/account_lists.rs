//! Lists of members' accounts. Requests for the same list that wait at the same moment share one read of it.
use std::sync::Arc;

use futures_util::future::{BoxFuture, try_join_all};
use sqlx::{PgPool, SqlitePool};

use super::{
    Store,
    accounts::{LIST, Row},
    combine::Answer,
    failure::failure,
    members::{MEMBER, MemberRow},
};
use crate::{
    domain::{
        account::{Account, Accounts},
        id::{OrganizationId, UserId},
        user::Member,
    },
    error::Result,
};

/// Whose accounts.
type Question = (OrganizationId, UserId);

/// Asks through the pool for reads.
pub(super) enum AccountLists {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Reads one list; type-checked once for each database.
macro_rules! read {
    ($pool:expr, $organization:expr, $member:expr) => {{
        let owner: Option<MemberRow> = sqlx::query_as(MEMBER)
            .bind($member)
            .bind($organization)
            .fetch_optional($pool)
            .await
            .map_err(failure)?;
        let rows: Vec<Row> =
            sqlx::query_as(LIST).bind($organization).bind($member).fetch_all($pool).await.map_err(failure)?;
        (owner, rows)
    }};
}

impl AccountLists {
    async fn read(&self, (organization, member): Question) -> Result<Arc<Accounts>> {
        let (owner, rows) = match self {
            Self::Sqlite(pool) => read!(pool, organization, member),
            Self::Postgres(pool) => read!(pool, organization, member),
        };
        let all = rows.into_iter().map(Account::try_from).collect::<Result<_>>()?;
        Ok(Arc::new(Accounts { owner: owner.map(Member::from), all }))
    }
}

impl Answer<Question, Arc<Accounts>> for AccountLists {
    fn answer<'q>(&'q mut self, questions: &'q [Question]) -> BoxFuture<'q, Result<Vec<Arc<Accounts>>>> {
        Box::pin(async move {
            // Different lists are read side by side, as far as the pool has connections.
            try_join_all(questions.iter().map(|question| self.read(*question))).await
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        // The pool is the store's.
        Box::pin(async {})
    }
}

impl Store {
    /// All accounts of a member, oldest first.
    pub async fn accounts(&self, organization: OrganizationId, member: UserId) -> Result<Arc<Accounts>> {
        self.account_lists.ask((organization, member)).await
    }
}
