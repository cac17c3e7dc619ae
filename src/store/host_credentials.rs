//! Host tokens as live calls need them: the credentials of one subject.
use sqlx::Row as _;
use uuid::Uuid;

use super::{
    Store,
    host_tokens::{Row, select_host_token},
    on,
};
use crate::{
    domain::{
        host_token::HostToken,
        id::{OrganizationId, RunnerId},
        secret::{Kid, Sealed},
    },
    error::Result,
};

impl Store {
    /// A subject's credentials for a runner, each with its ciphertext; those whose ciphertext was wiped are left
    /// out.
    pub async fn credentials(
        &self,
        organization: OrganizationId,
        runner: RunnerId,
        subject: Uuid,
    ) -> Result<Vec<(HostToken, Sealed)>> {
        const TOKENS: &str = select_host_token!(
            "WHERE organization_id = $1 AND runner_id = $2 AND subject_id = $3 ORDER BY id"
        );
        const SECRETS: &str = "SELECT s.sub, s.sealed, s.kid FROM sealed_secret s \
            JOIN host_token t ON t.id = s.sub WHERE t.runner_id = $1 AND t.subject_id = $2 \
            AND s.field = 'host_token.value' AND s.sealed IS NOT NULL";
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(TOKENS)
            .bind(organization).bind(runner).bind(subject).fetch_all(pool).await)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let secrets: Vec<(Uuid, Vec<u8>, Kid)> = on!(self, pool => sqlx::query(SECRETS)
        .bind(runner).bind(subject).fetch_all(pool).await.and_then(|rows| {
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
        }))?;
        let mut found = Vec::new();
        for row in rows {
            let (token, _) = row.decode()?;
            let sealed = secrets.iter().find(|(sub, ..)| *sub == token.id.0);
            let sealed = sealed.map(|(_, bytes, kid)| Sealed { bytes: bytes.clone(), kid: kid.clone() });
            found.extend(sealed.map(|sealed| (token, sealed)));
        }
        Ok(found)
    }
}
