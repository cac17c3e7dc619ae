//! Host tokens as live calls and OAuth need them: the credentials of one subject, and a new one in place of the old.
use sqlx::Row as _;
use uuid::Uuid;

use super::{
    Store,
    changes::{lock_runner, log_audit},
    host_tokens::{NewHostTokenRow, Row, described, insert_new, remove, select_host_token},
    on,
    runner_keys::retire_unused_keys,
    tx::on_tx,
};
use crate::{
    domain::{
        audit::Actor,
        host_token::HostToken,
        id::{OrganizationId, RunnerId, UserId},
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

    /// Stores a host token in place of whatever its subject had for the same runner and host.
    ///
    /// # Errors
    /// As [`Store::create_host_token`], but for one that is there already.
    pub async fn replace_host_token(
        &self,
        actor: Actor,
        creator: UserId,
        new: NewHostTokenRow,
    ) -> Result<()> {
        const OLD: &str = select_host_token!("WHERE runner_id = $1 AND host_key = $2 AND subject_id = $3");
        self.write((actor, creator, new), |tx, (actor, creator, new)| {
            Box::pin(async move {
                let token = &new.token;
                lock_runner(tx, actor, token.runner).await?;
                let old: Option<Row> = on_tx!(tx, conn => sqlx::query_as(OLD)
                    .bind(token.runner).bind(token.host.key()).bind(token.subject.id)
                    .fetch_optional(conn).await)?;
                if let Some((old, _)) = old.map(Row::decode).transpose()? {
                    remove(tx, actor, &old).await?;
                }
                insert_new(tx, actor, *creator, new).await?;
                retire_unused_keys(tx, token.runner).await?;
                log_audit(tx, actor, &described("host_token.connect", token)).await
            })
        })
        .await
    }
}
