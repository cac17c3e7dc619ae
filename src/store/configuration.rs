//! A runner's whole configuration as one consistent snapshot.
use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use super::{Store, on, record};
use crate::{
    domain::{
        id::{OrganizationId, RunnerId},
        integration::Integration,
        runner::Runner,
    },
    error::{Error, Kind, Result},
};

/// What a runner's agents work from.
#[derive(Debug)]
pub struct Configured {
    /// The runner, with the revision the snapshot was taken at and its ACTIVE key.
    pub runner: Runner,
    /// All its integrations, oldest first.
    pub integrations: Vec<Integration>,
}

/// How often a configuration that changes while it is read is read again.
const ATTEMPTS: u32 = 8;

impl Store {
    /// The id of this database's history; a restored backup has another one.
    pub async fn epoch(&self) -> Result<Uuid> {
        on!(self, pool => sqlx::query_scalar("SELECT epoch FROM server WHERE id = 1").fetch_one(pool).await)
    }

    /// The revision of a runner's configuration.
    pub async fn revision(&self, runner: RunnerId) -> Result<Option<u64>> {
        const SQL: &str = "SELECT revision FROM runner WHERE id = $1";
        let found: Option<i64> =
            on!(self, pool => sqlx::query_scalar(SQL).bind(runner).fetch_optional(pool).await)?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// A runner's configuration. Consistent without a transaction that spans statements: the integrations
    /// and the revision they belong to come from one statement, and the runner is read until it is at that
    /// revision.
    pub async fn configuration(
        &self,
        organization: OrganizationId,
        id: RunnerId,
    ) -> Result<Option<Configured>> {
        const SQL: &str = "SELECT r.revision, i.record FROM runner r \
            LEFT JOIN scm_integration i ON i.runner_id = r.id WHERE r.id = $1 ORDER BY i.id";
        for _ in 0..ATTEMPTS {
            let Some(runner) = self.runner(organization, id).await? else { return Ok(None) };
            let rows = on!(self, pool => sqlx::query(SQL).bind(id).fetch_all(pool).await
                .and_then(|rows| rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()))?;
            let rows: Vec<(i64, Option<Vec<u8>>)> = rows;
            match rows.first() {
                Some((revision, _)) if revision.unsigned_abs() == runner.revision => {}
                Some(_) => continue,
                None => return Ok(None),
            }
            let records: Vec<_> = rows.into_iter().filter_map(|(_, record)| record).collect();
            let integrations = record::decode_all(&records.concat())?;
            return Ok(Some(Configured { runner, integrations }));
        }
        Err(Error::new(Kind::Unavailable, "the configuration changes faster than it can be read")
            .retry_after(Duration::from_secs(1)))
    }
}
