//! SCM integrations, one at a time.
use sqlx::FromRow;

use super::{
    Store,
    changes::{Operation, lock_runner, log_audit, log_change},
    host_token_pages::remove_of_integration,
    on, record,
    runner_keys::{require_active, retire_unused_keys},
    runner_policies::granted_runners,
    sealed_secrets::remove_secrets_of,
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    clock::Instant,
    domain::{
        access::RunnerFacts,
        audit::{Actor, Entry},
        change::ObjectKind,
        host_token::Source,
        id::{IntegrationId, OrganizationId, RunnerId, UserId},
        integration::Integration,
        liveness::GRACE,
        secret::{Kid, Sealed},
    },
    error::{Error, Kind, Result},
};

const FIND: &str = "SELECT record, organization_id, creator_id FROM scm_integration \
    WHERE id = $1 AND organization_id = $2";

#[derive(FromRow)]
struct Found {
    record: Vec<u8>,
    organization_id: OrganizationId,
    creator_id: UserId,
}

impl Found {
    fn decode(self) -> Result<(Integration, RunnerFacts)> {
        let integration = record::decode(&self.record)?;
        let runner = RunnerFacts {
            id: integration.runner,
            organization: self.organization_id,
            creator: self.creator_id,
        };
        Ok((integration, runner))
    }
}

/// An integration as it is to become, if it is still at the version it was decided on.
#[derive(Clone, Debug)]
pub struct Update {
    /// The integration, with its next version.
    pub integration: Integration,
    /// The version it must have now.
    pub expected_version: u64,
    /// What changed, for the audit log: names of fields, never values.
    pub changed: Vec<&'static str>,
    /// Host tokens of these sources go.
    pub drops: Vec<Source>,
}

impl Store {
    /// Stores a new integration, sealed with the runner's key that must still be ACTIVE.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] if the runner has one for the same SCM and host, [`Kind::NotFound`] if the
    /// runner is gone, [`Kind::Conflict`] if its key was replaced meanwhile.
    pub async fn create_integration(&self, actor: Actor, creator: UserId, new: Integration) -> Result<()> {
        const SQL: &str = "INSERT INTO scm_integration \
            (id, organization_id, runner_id, creator_id, scm_id, host_key, kid, version, record) \
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE $7 IS NULL OR EXISTS \
            (SELECT 1 FROM runner_key k WHERE k.runner_id = $3 AND k.kid = $7 AND k.state = 'ACTIVE')";
        let encoded = record::encode(&new);
        self.write((actor, creator, new, encoded), |tx, (actor, creator, new, encoded)| {
            Box::pin(async move {
                log_change(tx, actor, new.runner, Operation::Put, (ObjectKind::Integration, new.id.0))
                    .await?;
                // Checks what `require_active` checks, in the same exchange.
                let inserted = execute!(
                    tx,
                    SQL,
                    new.id,
                    actor.organization,
                    new.runner,
                    *creator,
                    &new.scm_id,
                    new.host.key(),
                    kid(new),
                    version(new.version),
                    encoded,
                );
                if inserted.map_err(existing)? == 0 {
                    return Err(changed_meanwhile());
                }
                let entry = Entry::new("scm_integration.create", &new.id)
                    .of_runner(new.runner)
                    .with("scm_id", new.scm_id.as_str())
                    .with("host", new.host.as_str());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// An integration of the organization, with its runner.
    pub async fn integration(
        &self,
        organization: OrganizationId,
        id: IntegrationId,
    ) -> Result<Option<(Integration, RunnerFacts)>> {
        let found: Option<Found> =
            on!(self, pool => sqlx::query_as(FIND).bind(id).bind(organization).fetch_optional(pool).await)?;
        found.map(Found::decode).transpose()
    }

    /// Up to 25 runners of the organization, or those one member created or was given a role on, that have an
    /// integration for a host in lower case, oldest first; and whether their agents live at `now`.
    pub async fn runners_at(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        host: &str,
        now: Instant,
    ) -> Result<Vec<(RunnerId, bool)>> {
        const SQL: &str = concat!(
            "SELECT DISTINCT i.runner_id, coalesce(s.alive_at, 0) > $4 FROM scm_integration i \
             LEFT JOIN runner_status s ON s.runner_id = i.runner_id WHERE i.organization_id = $2 \
             AND ($1 IS NULL OR i.creator_id = $1 OR i.runner_id IN (",
            granted_runners!(),
            ")) AND (i.host_key = $3 OR i.host_key LIKE $3 || '/%') ORDER BY i.runner_id LIMIT 25"
        );
        on!(self, pool => sqlx::query_as(SQL)
            .bind(member).bind(organization).bind(host).bind(now.minus(GRACE)).fetch_all(pool).await)
    }

    /// Replaces an integration by compare-and-swap on its version.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if it, or the key it is sealed with, changed meanwhile; [`Kind::NotFound`] if it
    /// is gone.
    pub async fn update_integration(&self, actor: Actor, update: Update) -> Result<()> {
        const STORED: &str = "SELECT record, organization_id, creator_id FROM scm_integration \
            WHERE id = $1 AND runner_id = $2";
        const SQL: &str = "UPDATE scm_integration SET kid = $3, version = $4, record = $5 \
            WHERE id = $1 AND version = $2 AND runner_id = $6";
        let encoded = record::encode(&update.integration);
        self.write((actor, update, encoded), |tx, (actor, update, encoded)| {
            Box::pin(async move {
                let new = &update.integration;
                log_change(tx, actor, new.runner, Operation::Put, (ObjectKind::Integration, new.id.0))
                    .await?;
                let stored: Option<Found> = on_tx!(tx, conn => sqlx::query_as(STORED)
                    .bind(new.id).bind(new.runner).fetch_optional(conn).await)?;
                let (stored, _) = stored.ok_or_else(|| Error::not_found("SCM integration"))?.decode()?;
                // A kept ciphertext may be of a key that is being replaced; a new one may not.
                if secret(new) != secret(&stored) {
                    require_active(tx, new.runner, kid(new)).await?;
                }
                if secret(new).is_some() || new.oauth.is_none() {
                    // If its secret was wiped, that is mended now.
                    remove_secrets_of(tx, new.id.0).await?;
                }
                let expected = version(update.expected_version);
                let (kid, next) = (kid(new), version(new.version));
                if execute!(tx, SQL, new.id, expected, kid, next, encoded, new.runner)? == 0 {
                    return Err(changed_meanwhile());
                }
                let dropped = drop_host_tokens(tx, actor, new, &update.drops).await?;
                retire_unused_keys(tx, new.runner).await?;
                let entry = Entry::new("scm_integration.update", &new.id)
                    .with("changed", update.changed.clone())
                    .with("host_tokens_deleted", dropped);
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Deletes the host tokens of `sources` that came by an integration, which itself stays as it is.
    pub async fn drop_host_tokens(
        &self,
        actor: Actor,
        integration: Integration,
        sources: Vec<Source>,
    ) -> Result<()> {
        self.write((actor, integration, sources), |tx, (actor, integration, sources)| {
            Box::pin(async move {
                if !lock_runner(tx, actor, integration.runner).await? {
                    return Ok(());
                }
                let dropped = drop_host_tokens(tx, actor, integration, sources).await?;
                if dropped == 0 {
                    return Ok(());
                }
                retire_unused_keys(tx, integration.runner).await?;
                let entry = Entry::new("scm_integration.update", &integration.id)
                    .with("changed", Vec::<&str>::new())
                    .with("host_tokens_deleted", dropped);
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Deletes an integration of the organization. `false`: there is none.
    pub async fn delete_integration(&self, actor: Actor, id: IntegrationId) -> Result<bool> {
        const RUNNER: &str = "SELECT runner_id FROM scm_integration WHERE id = $1 AND organization_id = $2";
        const DELETE: &str = "DELETE FROM scm_integration WHERE id = $1";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let runner = on_tx!(tx, conn => sqlx::query_scalar::<_, RunnerId>(RUNNER)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(runner) = runner else { return Ok(false) };
                lock_runner(tx, actor, runner).await?;
                let found: Option<Found> = on_tx!(tx, conn => sqlx::query_as(FIND)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(found) = found else { return Ok(false) };
                let (integration, _) = found.decode()?;
                log_change(tx, actor, integration.runner, Operation::Delete, (ObjectKind::Integration, id.0))
                    .await?;
                execute!(tx, DELETE, *id)?;
                remove_secrets_of(tx, id.0).await?;
                let sources = [Source::Oauth, Source::Pat];
                let dropped = drop_host_tokens(tx, actor, &integration, &sources).await?;
                retire_unused_keys(tx, integration.runner).await?;
                let entry = Entry::new("scm_integration.delete", id)
                    .of_runner(integration.runner)
                    .with("host", integration.host.as_str())
                    .with("host_tokens_deleted", dropped);
                log_audit(tx, actor, &entry).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn drop_host_tokens(
    tx: &mut Tx,
    actor: &Actor,
    integration: &Integration,
    sources: &[Source],
) -> Result<u32> {
    let mut dropped = 0;
    for source in sources {
        let which = (integration.runner, integration.id, &integration.host);
        dropped += remove_of_integration(tx, actor, which, *source).await?;
    }
    Ok(dropped)
}

/// A runner's integration, in the transaction that relies on it.
pub(super) async fn integration_of(
    tx: &mut Tx,
    runner: RunnerId,
    id: IntegrationId,
) -> Result<Option<Integration>> {
    const SQL: &str = "SELECT record FROM scm_integration WHERE id = $1 AND runner_id = $2";
    let found: Option<Vec<u8>> =
        on_tx!(tx, conn => sqlx::query_scalar(SQL).bind(id).bind(runner).fetch_optional(conn).await)?;
    found.map(|stored| record::decode(&stored)).transpose()
}

fn secret(integration: &Integration) -> Option<&Sealed> {
    integration.oauth.as_ref().and_then(|oauth| oauth.secret.as_ref())
}

fn kid(integration: &Integration) -> Option<&Kid> {
    secret(integration).map(|secret| &secret.kid)
}

fn existing(error: Error) -> Error {
    match error.kind() {
        Kind::AlreadyExists => Error::new(
            Kind::AlreadyExists,
            "the runner already has an SCM integration for this scm_id and host",
        )
        .blaming("host", "sealink.unique"),
        Kind::NotFound => Error::not_found("runner"),
        _ => error,
    }
}
