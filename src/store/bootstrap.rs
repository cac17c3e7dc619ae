//! The first start: organization, administrator and its token, in one step.
use uuid::Uuid;

use super::{
    Store,
    changes::log_audit,
    on,
    tokens::{NewTokenRow, insert_token},
    tx::{execute, on_tx},
    users::insert_user,
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{OrganizationId, UserId},
        token::{TokenHash, TokenId, TokenKind},
        user::NewUser,
    },
    error::{Error, Result},
};

/// Who administers the organization that the first start makes.
#[derive(Clone, Debug)]
pub struct FirstAdmin {
    /// The database's epoch.
    pub epoch: Uuid,
    /// The organization's id.
    pub organization: OrganizationId,
    /// The administrator's id.
    pub id: UserId,
    /// The administrator.
    pub user: NewUser,
    /// Its token; `None` if the operator presets one.
    pub token: Option<NewTokenRow>,
}

impl Store {
    /// Whether the first start has happened.
    pub async fn is_bootstrapped(&self) -> Result<bool> {
        let found: Option<i64> = on!(self, pool => sqlx::query_scalar("SELECT created_at FROM server WHERE id = 1")
                .fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// Makes the organization, its administrator and the administrator's token. `false`: another replica
    /// was faster.
    pub async fn bootstrap(&self, actor: Actor, first: FirstAdmin) -> Result<bool> {
        const SERVER: &str =
            "INSERT INTO server (id, epoch, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        const ORGANIZATION: &str = "INSERT INTO organization (id, name, created_at) VALUES ($1, $2, $3)";
        self.write((actor, first), |tx, (actor, first)| {
            Box::pin(async move {
                if execute!(tx, SERVER, first.epoch, actor.at)? == 0 {
                    return Ok(false);
                }
                execute!(tx, ORGANIZATION, first.organization, "default", actor.at)?;
                insert_user(tx, actor, first.id, &first.user).await?;
                if let Some(token) = &first.token {
                    insert_token(tx, actor, token).await?;
                }
                log_audit(tx, actor, &Entry::new("organization.create", &first.organization)).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Makes the preset administrator token valid: its hash replaces another one of the last start. The same
    /// hash changes nothing: a token that was revoked stays so.
    ///
    /// # Errors
    /// [`Error::internal`] if the first start has not happened.
    pub async fn preset_admin_token(&self, actor: Actor, hash: TokenHash, id: Uuid) -> Result<()> {
        const FIND: &str = "SELECT id FROM member WHERE organization_id = $1 AND name = 'admin'";
        const FLOWS: &str = "DELETE FROM oauth_ticket WHERE token_id = $1";
        /// Replicas that start together insert together; the hash is the same for all of them.
        const SQL: &str = "INSERT INTO token (token_id, id, organization_id, kind, member_id, secret_hash, \
            description, read_only, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6, 'preset by SEALINK_ADMIN_TOKEN', $7, $8) \
            ON CONFLICT (token_id) DO UPDATE SET member_id = excluded.member_id, \
            secret_hash = excluded.secret_hash, created_at = excluded.created_at, expires_at = NULL, \
            last_used_at = NULL, revoked_at = NULL WHERE token.secret_hash <> excluded.secret_hash";
        self.write((actor, hash, id), |tx, (actor, hash, id)| {
            Box::pin(async move {
                let admin = on_tx!(tx, conn => sqlx::query_scalar::<_, UserId>(FIND)
                    .bind(actor.organization).fetch_optional(conn).await)?;
                let admin = admin.ok_or_else(|| Error::internal("there is no administrator"))?;
                let touched = execute!(
                    tx,
                    SQL,
                    TokenId::preset(),
                    *id,
                    actor.organization,
                    TokenKind::Admin,
                    admin,
                    hash.as_slice(),
                    false,
                    actor.at,
                )?;
                if touched == 0 {
                    return Ok(());
                }
                // The links that the one before has asked for end with it; their token's name is still good.
                execute!(tx, FLOWS, TokenId::preset())?;
                log_audit(tx, actor, &Entry::new("token.preset", &TokenId::preset())).await
            })
        })
        .await
    }

    /// Ends the preset administrator token, if there is one. A revoked one opens nothing and stays, so that
    /// presetting it again does not bring it back.
    pub async fn drop_preset_admin_token(&self, actor: Actor) -> Result<()> {
        const SQL: &str = "DELETE FROM token WHERE token_id = $1 AND revoked_at IS NULL";
        self.write(actor, |tx, actor| {
            Box::pin(async move {
                if execute!(tx, SQL, TokenId::preset())? == 0 {
                    return Ok(());
                }
                log_audit(tx, actor, &Entry::new("token.drop_preset", &TokenId::preset())).await
            })
        })
        .await
    }

    /// Whether an administrator of the organization has a token that changes things at the moment `at`.
    pub async fn has_administrator_token(&self, organization: OrganizationId, at: Instant) -> Result<bool> {
        const SQL: &str = "SELECT t.token_id FROM token t JOIN member m ON m.id = t.member_id \
            WHERE t.organization_id = $1 AND m.role = 'ADMIN' AND m.disabled_at IS NULL AND NOT t.read_only \
            AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2) LIMIT 1";
        let found: Option<TokenId> = on!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization).bind(at).fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// The organization of the first start.
    pub async fn first_organization(&self) -> Result<OrganizationId> {
        const SQL: &str = "SELECT id FROM organization ORDER BY id LIMIT 1";
        on!(self, pool => sqlx::query_scalar(SQL).fetch_one(pool).await)
    }
}
