//! Host tokens, one at a time.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    changes::{Operation, lock_runner, log_audit, log_change, name_credential},
    host_token_refresh::{move_refresh, plan_refresh},
    integrations::integration_of,
    on,
    runner_keys::{require_active, retire_unused_keys},
    sealed_secrets::{NewSecret, SecretChange, SecretPlace, put_secret, remove_secret, remove_secrets_of},
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    clock::Instant,
    domain::{
        access::RunnerFacts,
        audit::{Actor, Entry},
        change::ObjectKind,
        host::Host,
        host_token::{HostToken, Source, Subject, SubjectKind},
        id::{HostTokenId, IntegrationId, OrganizationId, RunnerId, UserId},
        secret_field::SecretField,
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
pub(super) struct Row {
    id: HostTokenId,
    organization_id: OrganizationId,
    runner_id: RunnerId,
    creator_id: UserId,
    host: String,
    principal: SubjectKind,
    subject_id: Uuid,
    source: Source,
    integration_id: Option<IntegrationId>,
    scopes: String,
    expires_at: Option<Instant>,
    version: i64,
    created_at: Instant,
    updated_at: Instant,
}

macro_rules! select_host_token {
    ($($where:literal)+) => {
        concat!(
            "SELECT id, organization_id, runner_id, creator_id, host, principal, subject_id, source, \
             integration_id, scopes, expires_at, version, created_at, updated_at FROM host_token ",
            $($where),+
        )
    };
}
pub(super) use select_host_token;

impl Row {
    pub(super) fn decode(self) -> Result<(HostToken, RunnerFacts)> {
        let damaged = |error| Error::new(Kind::DataLoss, "a stored host token is damaged").caused_by(error);
        let runner =
            RunnerFacts { id: self.runner_id, organization: self.organization_id, creator: self.creator_id };
        let token = HostToken {
            id: self.id,
            runner: self.runner_id,
            host: Host::from_stored(self.host),
            subject: Subject { id: self.subject_id, kind: self.principal },
            source: self.source,
            integration: self.integration_id,
            scopes: serde_json::from_str(&self.scopes).map_err(damaged)?,
            expires_at: self.expires_at,
            version: self.version.unsigned_abs(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Ok((token, runner))
    }
}

/// A host token to be stored.
#[derive(Clone, Debug)]
pub struct NewHostTokenRow {
    /// What is known of it.
    pub token: HostToken,
    /// The credential.
    pub value: NewSecret,
    /// What it is renewed with.
    pub refresh: Option<NewSecret>,
}

/// A host token as it is to become, if it is still at the version it was decided on.
#[derive(Clone, Debug)]
pub struct Update {
    /// The token, with its next version.
    pub token: HostToken,
    /// The version it must have now.
    pub expected_version: u64,
    /// The credential, if it is replaced.
    pub value: Option<NewSecret>,
    /// What becomes of the refresh token.
    pub refresh: SecretChange,
    /// Whether this is what came of renewing it. Any other change leaves alone who is renewing it, as long as the
    /// refresh token stays.
    pub renewal: bool,
    /// What is done, for the audit log.
    pub action: &'static str,
    /// What changed, for the audit log: names of fields, never values.
    pub changed: Vec<&'static str>,
}

impl Store {
    /// Stores a new host token, sealed with the runner's key that must still be ACTIVE.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] if the subject has one for the same runner and host, [`Kind::NotFound`] if the
    /// runner or the named integration is gone, [`Kind::Precondition`] if that integration is for another
    /// host or does not offer this source, [`Kind::Conflict`] if the runner's key was replaced meanwhile.
    pub async fn create_host_token(&self, actor: Actor, creator: UserId, new: NewHostTokenRow) -> Result<()> {
        self.write((actor, creator, new), |tx, (actor, creator, new)| {
            Box::pin(async move {
                insert_new(tx, actor, *creator, new).await?;
                log_audit(tx, actor, &described("host_token.create", &new.token)).await
            })
        })
        .await
    }

    /// A host token of the organization, with its runner.
    pub async fn host_token(
        &self,
        organization: OrganizationId,
        id: HostTokenId,
    ) -> Result<Option<(HostToken, RunnerFacts)>> {
        const SQL: &str = select_host_token!("WHERE id = $1 AND organization_id = $2");
        let row: Option<Row> =
            on!(self, pool => sqlx::query_as(SQL).bind(id).bind(organization).fetch_optional(pool).await)?;
        row.map(Row::decode).transpose()
    }

    /// Replaces a host token, or a part of it, by compare-and-swap on its version. This is also how a
    /// renewed credential is stored: value, refresh token and end in one step.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if it, or the key its secrets are sealed with, changed meanwhile;
    /// [`Kind::NotFound`] if it is gone.
    pub async fn update_host_token(&self, actor: Actor, update: Update) -> Result<()> {
        const SQL: &str = "UPDATE host_token SET scopes = $4, expires_at = $5, version = $6, updated_at = $7 \
            WHERE id = $1 AND version = $2 AND runner_id = $3";
        const EXISTS: &str = "SELECT version FROM host_token WHERE id = $1 AND runner_id = $2";
        self.write((actor, update), |tx, (actor, update)| {
            Box::pin(async move {
                let token = &update.token;
                log_change(tx, actor, token.runner, Operation::Put, (ObjectKind::HostToken, token.id.0))
                    .await?;
                name_credential(tx, token.runner, token.host.as_str(), token.subject.id).await?;
                let expected = version(update.expected_version);
                let (scopes, next) = (json(&token.scopes)?, version(token.version));
                let (expires, at) = (token.expires_at, token.updated_at);
                if execute!(tx, SQL, token.id, expected, token.runner, &scopes, expires, next, at)? == 0 {
                    let found = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(EXISTS)
                        .bind(token.id).bind(token.runner).fetch_optional(conn).await)?;
                    return Err(found.map_or_else(missing, |_| changed_meanwhile()));
                }
                if let Some(value) = &update.value {
                    set(tx, token, SecretField::HostTokenValue, value).await?;
                }
                match &update.refresh {
                    SecretChange::Keep => {}
                    SecretChange::Remove => {
                        remove_secret(tx, place(token, SecretField::HostTokenRefresh)).await?;
                    }
                    SecretChange::Set(refresh) => {
                        set(tx, token, SecretField::HostTokenRefresh, refresh).await?;
                    }
                }
                if update.renewal || !matches!(update.refresh, SecretChange::Keep) {
                    plan_refresh(tx, token).await?;
                } else {
                    move_refresh(tx, token).await?;
                }
                retire_unused_keys(tx, token.runner).await?;
                let entry = Entry::new(update.action, &token.id).with("changed", update.changed.clone());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Deletes a host token of the organization. `false`: there is none.
    pub async fn delete_host_token(&self, actor: Actor, id: HostTokenId) -> Result<bool> {
        const RUNNER: &str = "SELECT runner_id FROM host_token WHERE id = $1 AND organization_id = $2";
        const FIND: &str = select_host_token!("WHERE id = $1");
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let runner = on_tx!(tx, conn => sqlx::query_scalar::<_, RunnerId>(RUNNER)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(runner) = runner else { return Ok(false) };
                lock_runner(tx, actor, runner).await?;
                let row: Option<Row> =
                    on_tx!(tx, conn => sqlx::query_as(FIND).bind(*id).fetch_optional(conn).await)?;
                let Some((token, _)) = row.map(Row::decode).transpose()? else { return Ok(false) };
                remove(tx, actor, &token).await?;
                retire_unused_keys(tx, runner).await?;
                log_audit(tx, actor, &described("host_token.delete", &token)).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// Removes a host token with its ciphertexts, and tells the runner. Its row must be locked by now.
pub(super) async fn remove(tx: &mut Tx, actor: &Actor, token: &HostToken) -> Result<()> {
    const SQL: &str = "DELETE FROM host_token WHERE id = $1";
    log_change(tx, actor, token.runner, Operation::Delete, (ObjectKind::HostToken, token.id.0)).await?;
    name_credential(tx, token.runner, token.host.as_str(), token.subject.id).await?;
    remove_secrets_of(tx, token.id.0).await?;
    execute!(tx, SQL, token.id).map(|_| ())
}

/// Stores a new host token with its ciphertexts, and tells the runner.
pub(super) async fn insert_new(
    tx: &mut Tx,
    actor: &Actor,
    creator: UserId,
    new: &NewHostTokenRow,
) -> Result<()> {
    let token = &new.token;
    log_change(tx, actor, token.runner, Operation::Put, (ObjectKind::HostToken, token.id.0)).await?;
    name_credential(tx, token.runner, token.host.as_str(), token.subject.id).await?;
    require_integration(tx, token).await?;
    insert(tx, actor, creator, token).await?;
    set(tx, token, SecretField::HostTokenValue, &new.value).await?;
    let Some(refresh) = &new.refresh else { return Ok(()) };
    set(tx, token, SecretField::HostTokenRefresh, refresh).await?;
    plan_refresh(tx, token).await
}

fn place(token: &HostToken, field: SecretField) -> SecretPlace<'static> {
    SecretPlace { runner: token.runner, sub: token.id.0, field, name: "" }
}

async fn set(tx: &mut Tx, token: &HostToken, field: SecretField, new: &NewSecret) -> Result<()> {
    require_active(tx, token.runner, Some(&new.sealed.kid)).await?;
    put_secret(tx, place(token, field), new).await
}

async fn insert(tx: &mut Tx, actor: &Actor, creator: UserId, token: &HostToken) -> Result<()> {
    const SQL: &str = "INSERT INTO host_token (id, organization_id, runner_id, creator_id, host, host_key, \
        principal, subject_id, source, integration_id, scopes, expires_at, version, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    let inserted = execute!(
        tx,
        SQL,
        token.id,
        actor.organization,
        token.runner,
        creator,
        token.host.as_str(),
        token.host.key(),
        token.subject.kind,
        token.subject.id,
        token.source,
        token.integration,
        &json(&token.scopes)?,
        token.expires_at,
        version(token.version),
        token.created_at,
        token.updated_at,
    );
    inserted.map(|_| ()).map_err(|error| match error.kind() {
        Kind::AlreadyExists => Error::new(Kind::AlreadyExists, "host authentication token already exists")
            .blaming("host", "sealink.unique"),
        _ => error,
    })
}

/// What a token came by must be there, serve its host, and offer its kind of credential.
async fn require_integration(tx: &mut Tx, token: &HostToken) -> Result<()> {
    let Some(id) = token.integration else { return Ok(()) };
    let found = integration_of(tx, token.runner, id).await?;
    let integration = found.ok_or_else(|| Error::not_found("SCM integration"))?;
    let offered = match token.source {
        Source::Oauth => integration.oauth.is_some(),
        Source::Pat => integration.pat,
    };
    let refuse = |message| Err(Error::new(Kind::Precondition, message));
    if integration.host.key() != token.host.key() {
        return refuse("the SCM integration is for another host");
    }
    if offered { Ok(()) } else { refuse("the SCM integration does not offer tokens of this source") }
}

pub(super) fn described(action: &'static str, token: &HostToken) -> Entry {
    Entry::new(action, &token.id)
        .of_runner(token.runner)
        .with("host", token.host.as_str())
        .with("subject", token.subject.id.to_string())
        .with("source", token.source.name())
}

fn json(scopes: &[String]) -> Result<String> {
    serde_json::to_string(scopes).map_err(Error::internal)
}

fn missing() -> Error {
    Error::not_found("host authentication token")
}
