//! Reading a runner's change log, and keeping it from growing for ever.
use sqlx::FromRow;
use uuid::Uuid;

use super::{Database, Store, changes::Operation, on, tx::execute};
use crate::{
    clock::Instant,
    domain::{
        change::ObjectKind,
        id::{OrganizationId, RunnerId},
        integration::Integration,
    },
    error::Result,
};

/// How many rows one statement of the clean-up deletes.
const CHUNK: i64 = 1_000;

/// One change of something a runner sees.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Change {
    #[sqlx(try_from = "i64")]
    revision: Revision,
    operation: String,
    object_kind: String,
    object_id: Uuid,
    host: Option<String>,
    subject_id: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Revision(u64);

impl From<i64> for Revision {
    fn from(revision: i64) -> Self {
        Self(revision.unsigned_abs())
    }
}

impl Change {
    /// The runner's revision with this change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision.0
    }

    /// Whether the object is gone since then.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.operation == Operation::Delete.name()
    }

    /// What kind of object it is; `None` if only a newer server knows.
    #[must_use]
    pub fn kind(&self) -> Option<ObjectKind> {
        ObjectKind::from_name(&self.object_kind)
    }

    /// The object's id.
    #[must_use]
    pub fn object(&self) -> Uuid {
        self.object_id
    }

    /// Of a credential: where it is good, and whose it is.
    #[must_use]
    pub fn credential(&self) -> Option<(&str, Uuid)> {
        self.host.as_deref().zip(self.subject_id)
    }
}

impl Store {
    /// A runner's changes after a revision, in order and without a gap; at most `limit`.
    pub async fn changes_after(&self, runner: RunnerId, after: u64, limit: u32) -> Result<Vec<Change>> {
        const SQL: &str = "SELECT revision, operation, object_kind, object_id, host, subject_id FROM configuration_change \
            WHERE runner_id = $1 AND revision > $2 ORDER BY revision LIMIT $3";
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        on!(self, pool => sqlx::query_as(SQL)
            .bind(runner).bind(after).bind(i64::from(limit)).fetch_all(pool).await)
    }

    /// The revisions of several runners' configurations; runners that are gone are left out.
    pub async fn revisions(&self, runners: &[RunnerId]) -> Result<Vec<(RunnerId, u64)>> {
        const ALL: &str = "SELECT id, revision FROM runner WHERE id = ANY($1)";
        let mut found = Vec::with_capacity(runners.len());
        match &self.database {
            Database::Postgres(pool) => {
                let ids: Vec<_> = runners.iter().map(|runner| runner.0).collect();
                let rows: Vec<(RunnerId, i64)> =
                    sqlx::query_as(ALL).bind(ids).fetch_all(pool).await.map_err(super::failure::failure)?;
                found.extend(rows.into_iter().map(|(runner, revision)| (runner, revision.unsigned_abs())));
            }
            Database::Sqlite(_) => {
                for runner in runners {
                    found.extend(self.revision(*runner).await?.map(|revision| (*runner, revision)));
                }
            }
        }
        Ok(found)
    }

    /// Integrations of a runner by their ids; those that are gone are left out.
    pub async fn integrations_of(
        &self,
        organization: OrganizationId,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Result<Vec<Integration>> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.integration(organization, crate::domain::id::IntegrationId(id)).await?);
        }
        Ok(found.into_iter().map(|(integration, _)| integration).collect())
    }

    /// Forgets changes that are older than `before` and not among the `keep` newest of their runner; how many.
    /// An agent that resumes from one of them gets a snapshot.
    pub async fn forget_changes(&self, before: Instant, keep: u32) -> Result<u64> {
        const LONG: &str = "SELECT id, revision FROM runner WHERE revision > $1";
        const DELETE: &str = "DELETE FROM configuration_change WHERE runner_id = $1 AND revision IN \
            (SELECT revision FROM configuration_change WHERE runner_id = $1 AND revision <= $2 \
            AND changed_at < $3 ORDER BY revision LIMIT $4)";
        let keep = i64::from(keep);
        let long: Vec<(RunnerId, i64)> =
            on!(self, pool => sqlx::query_as(LONG).bind(keep).fetch_all(pool).await)?;
        let mut forgotten = 0;
        for (runner, revision) in long {
            loop {
                let input = (runner, revision - keep, before);
                let deleted = self
                    .write(input, |tx, (runner, upto, before)| {
                        Box::pin(async move { execute!(tx, DELETE, *runner, *upto, *before, CHUNK) })
                    })
                    .await?;
                forgotten += deleted;
                if deleted < CHUNK.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}
