//! Sealed secrets of a runner: what there is, what waits for its new key, and any one of them.
//!
//! They stand in three places, each with ids of its own: beside an SCM integration, beside the runner, and in
//! a table for all others. A list reads the first rows of each along its index, and merges those.
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, on, record};
use crate::{
    domain::{
        id::RunnerId,
        integration::OAuth,
        page::{Page, PageRequest},
        secret::{Kid, Sealed},
        secret_field::SecretField,
        stored_secret::{SecretEntry, StoredSecret},
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
struct Row {
    id: Uuid,
    sub: Uuid,
    field: String,
    name: String,
    kid: Option<Kid>,
    version: i64,
    object_version: i64,
    sealed: Option<Vec<u8>>,
    /// The host, or the endpoint: where the secret may be sent.
    host: String,
    subject_id: Uuid,
    source: String,
}

impl Row {
    fn entry(&self) -> Result<SecretEntry> {
        Ok(SecretEntry {
            order: self.id,
            sub: self.sub,
            field: SecretField::from_wire_name(&self.field).ok_or_else(damaged)?,
            name: self.name.clone(),
            version: self.version.unsigned_abs(),
            object_version: self.object_version.unsigned_abs(),
            kid: self.kid.clone(),
        })
    }

    fn stored(self) -> Result<StoredSecret> {
        let entry = self.entry()?;
        let (stored, kid) = (self.sealed.ok_or_else(damaged)?, self.kid.ok_or_else(damaged)?);
        let (bytes, destination) = match entry.field {
            SecretField::OauthClientSecret => of_integration(&stored)?,
            SecretField::HostTokenValue | SecretField::HostTokenRefresh => {
                (stored, [self.host, self.subject_id.to_string(), self.source])
            }
            SecretField::LlmApiKey | SecretField::LlmHeader => {
                (stored, [self.host, self.name, String::new()])
            }
            _ => (stored, Default::default()),
        };
        Ok(StoredSecret { entry, sealed: Sealed { bytes, kid }, destination })
    }
}

/// The ciphertext in an integration's record, and what it is bound to.
fn of_integration(stored: &[u8]) -> Result<(Vec<u8>, [String; 3])> {
    let integration = record::decode(stored)?;
    let OAuth { client_id, issuer, secret } = integration.oauth.ok_or_else(damaged)?;
    let issuer = issuer.map(|issuer| issuer.as_str().to_owned()).unwrap_or_default();
    Ok((secret.ok_or_else(damaged)?.bytes, [integration.host.into_string(), issuer, client_id]))
}

fn damaged() -> Error {
    Error::new(Kind::DataLoss, "a stored secret is damaged")
}

/// The columns of [`Row`], from the three places, each narrowed by conditions of its own.
macro_rules! secrets {
    ($scm:literal, $honeycomb:literal, $others:literal, $end:literal) => {
        concat!(
            "SELECT id, sub, field, name, kid, version, object_version, sealed, host, subject_id, source FROM \
             (SELECT x.id, x.id AS sub, 'oauth.client_secret' AS field, '' AS name, x.kid, x.version, \
              x.version AS object_version, \
              x.record AS sealed, '' AS host, x.id AS subject_id, '' AS source \
              FROM scm_integration x WHERE x.runner_id = $1 ",
            $scm,
            ") a UNION ALL SELECT id, sub, field, name, kid, version, object_version, sealed, host, subject_id, \
              source FROM \
             (SELECT x.id, x.id AS sub, 'runner.honeycomb_api_key' AS field, '' AS name, \
              x.honeycomb_kid AS kid, x.version, x.version AS object_version, x.honeycomb_key AS sealed, \
              '' AS host, x.id AS subject_id, \
              '' AS source FROM runner x WHERE x.id = $1 ",
            $honeycomb,
            ") b UNION ALL SELECT id, sub, field, name, kid, version, object_version, sealed, host, subject_id, \
              source FROM \
             (SELECT x.id, x.sub, x.field, x.name, x.kid, x.version, \
              COALESCE(t.version, l.version, x.version) AS object_version, x.sealed, \
              COALESCE(t.host, l.endpoint, '') AS host, \
              COALESCE(t.subject_id, x.id) AS subject_id, COALESCE(t.source, '') AS source \
              FROM sealed_secret x LEFT JOIN host_token t ON t.id = x.sub \
              LEFT JOIN llm_integration l ON l.id = x.sub WHERE x.runner_id = $1 ",
            $others,
            ") c ",
            $end
        )
    };
}

pub(super) const ALL: &str = secrets!(
    "AND x.id > $2 AND x.kid IS NOT NULL ORDER BY x.id LIMIT $3",
    "AND x.id > $2 AND x.honeycomb_kid IS NOT NULL",
    "AND x.id > $2 ORDER BY x.id LIMIT $3",
    "ORDER BY id LIMIT $3"
);
pub(super) const STALE: &str = secrets!(
    "AND x.id > $2 AND x.kid IN (SELECT k.kid FROM runner_key k WHERE k.runner_id = $1 \
     AND k.state = 'RETIRING') ORDER BY x.id LIMIT $3",
    "AND x.id > $2 AND x.honeycomb_kid IN (SELECT k.kid FROM runner_key k WHERE k.runner_id = $1 \
     AND k.state = 'RETIRING')",
    "AND x.id > $2 AND x.kid IN (SELECT k.kid FROM runner_key k WHERE k.runner_id = $1 \
     AND k.state = 'RETIRING') ORDER BY x.id LIMIT $3",
    "ORDER BY id LIMIT $3"
);
const ONE: &str = secrets!(
    "AND x.id = $2 AND x.kid IS NOT NULL AND $3 = 'oauth.client_secret' AND $4 = ''",
    "AND x.id = $2 AND x.honeycomb_kid IS NOT NULL AND $3 = 'runner.honeycomb_api_key' AND $4 = ''",
    "AND x.sub = $2 AND x.kid IS NOT NULL AND x.field = $3 AND x.name = $4",
    ""
);

impl Store {
    /// A page of a runner's sealed secrets, also of those that were wiped and wait to be entered again.
    pub async fn secrets(&self, runner: RunnerId, page: PageRequest) -> Result<Page<SecretEntry>> {
        let rows = self.secret_rows(ALL, runner, page).await?;
        let entries = rows.iter().map(Row::entry).collect::<Result<_>>()?;
        Ok(Page::cut(entries, page.size, |entry: &SecretEntry| entry.order))
    }

    /// A page of those that are sealed with a RETIRING key.
    pub async fn stale_secrets(&self, runner: RunnerId, page: PageRequest) -> Result<Page<StoredSecret>> {
        let rows = self.secret_rows(STALE, runner, page).await?;
        let stale = rows.into_iter().map(Row::stored).collect::<Result<_>>()?;
        Ok(Page::cut(stale, page.size, |secret: &StoredSecret| secret.entry.order))
    }

    async fn secret_rows(&self, sql: &'static str, runner: RunnerId, page: PageRequest) -> Result<Vec<Row>> {
        on!(self, pool => sqlx::query_as(sql)
            .bind(runner).bind(page.after.0).bind(page.size.with_lookahead()).fetch_all(pool).await)
    }

    /// One sealed secret of a runner.
    pub async fn secret(
        &self,
        runner: RunnerId,
        sub: Uuid,
        field: SecretField,
        name: String,
    ) -> Result<Option<StoredSecret>> {
        let row: Option<Row> = on!(self, pool => sqlx::query_as(ONE)
            .bind(runner).bind(sub).bind(field.wire_name()).bind(&name).fetch_optional(pool).await)?;
        row.map(Row::stored).transpose()
    }
}
