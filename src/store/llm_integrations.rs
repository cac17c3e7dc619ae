//! LLM integrations, one at a time. Their ciphertexts stand in the table of sealed secrets.
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Store,
    changes::{Operation, lock_runner, log_audit, log_change},
    runner_keys::{require_active, retire_unused_keys},
    sealed_secrets::{NewSecret, SecretPlace, put_secret, remove_secrets_of},
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        change::ObjectKind,
        id::{LlmIntegrationId, RunnerId, UserId},
        llm_header::{Header, HeaderKind},
        llm_integration::LlmIntegration,
        secret_field::SecretField,
    },
    error::{Error, Result},
};

/// A header without its value, as it is stored beside the integration.
#[derive(Serialize, Deserialize)]
pub(super) struct HeaderRecord {
    pub(super) name: String,
    pub(super) kind: HeaderKind,
}

/// An LLM integration to be stored.
#[derive(Clone, Debug)]
pub struct NewLlmRow {
    /// What is known of it.
    pub integration: LlmIntegration,
    /// Its API key.
    pub api_key: NewSecret,
}

/// An LLM integration as it is to become, if it is still at the version it was decided on.
#[derive(Clone, Debug)]
pub struct LlmUpdate {
    /// The integration, with its next version.
    pub integration: LlmIntegration,
    /// The version it must have now.
    pub expected_version: u64,
    /// The API key, if it is replaced.
    pub api_key: Option<NewSecret>,
    /// The values of all headers by their names, if they are replaced.
    pub headers: Option<Vec<(String, NewSecret)>>,
    /// What changed, for the audit log: names of fields, never values.
    pub changed: Vec<&'static str>,
}

impl Store {
    /// Stores a new LLM integration, sealed with the runner's key that must still be ACTIVE.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if the runner is gone,
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) if its key was replaced meanwhile.
    pub async fn create_llm_integration(&self, actor: Actor, creator: UserId, new: NewLlmRow) -> Result<()> {
        const SQL: &str = "INSERT INTO llm_integration (id, organization_id, runner_id, creator_id, models, \
            headers, endpoint, max_tokens, disabled, version, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        self.write((actor, creator, new), |tx, (actor, creator, new)| {
            Box::pin(async move {
                let one = &new.integration;
                log_change(tx, actor, one.runner, Operation::Put, (ObjectKind::LlmIntegration, one.id.0))
                    .await?;
                execute!(
                    tx,
                    SQL,
                    one.id,
                    actor.organization,
                    one.runner,
                    *creator,
                    &json(&one.models)?,
                    &json(&header_records(&one.headers))?,
                    &one.endpoint,
                    version(one.max_tokens),
                    one.disabled,
                    version(one.version),
                    one.created_at,
                    one.updated_at,
                )?;
                set(tx, one, SecretField::LlmApiKey, "", &new.api_key).await?;
                let entry = Entry::new("llm_integration.create", &one.id)
                    .of_runner(one.runner)
                    .with("endpoint", one.endpoint.as_str());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Replaces an LLM integration, or a part of it, by compare-and-swap on its version.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) if it, or the key its secrets are sealed with,
    /// changed meanwhile; [`Kind::NotFound`](crate::error::Kind::NotFound) if it is gone.
    pub async fn update_llm_integration(&self, actor: Actor, update: LlmUpdate) -> Result<()> {
        self.write((actor, update), |tx, (actor, update)| {
            Box::pin(async move {
                let one = &update.integration;
                log_change(tx, actor, one.runner, Operation::Put, (ObjectKind::LlmIntegration, one.id.0))
                    .await?;
                swap(tx, update).await?;
                if let Some(api_key) = &update.api_key {
                    set(tx, one, SecretField::LlmApiKey, "", api_key).await?;
                }
                if let Some(headers) = &update.headers {
                    remove_headers(tx, one.id.0).await?;
                    for (name, value) in headers {
                        set(tx, one, SecretField::LlmHeader, name, value).await?;
                    }
                }
                retire_unused_keys(tx, one.runner).await?;
                let entry =
                    Entry::new("llm_integration.update", &one.id).with("changed", update.changed.clone());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Deletes an LLM integration of the organization. `false`: there is none.
    pub async fn delete_llm_integration(&self, actor: Actor, id: LlmIntegrationId) -> Result<bool> {
        const RUNNER: &str = "SELECT runner_id FROM llm_integration WHERE id = $1 AND organization_id = $2";
        const DELETE: &str = "DELETE FROM llm_integration WHERE id = $1";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let runner = on_tx!(tx, conn => sqlx::query_scalar::<_, RunnerId>(RUNNER)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(runner) = runner else { return Ok(false) };
                lock_runner(tx, actor, runner).await?;
                if execute!(tx, DELETE, *id)? == 0 {
                    return Ok(false);
                }
                remove_secrets_of(tx, id.0).await?;
                log_change(tx, actor, runner, Operation::Delete, (ObjectKind::LlmIntegration, id.0)).await?;
                retire_unused_keys(tx, runner).await?;
                let entry = Entry::new("llm_integration.delete", id).of_runner(runner);
                log_audit(tx, actor, &entry).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn swap(tx: &mut Tx, update: &LlmUpdate) -> Result<()> {
    const SQL: &str = "UPDATE llm_integration SET models = $4, headers = $5, endpoint = $6, max_tokens = $7, \
        disabled = $8, version = $9, updated_at = $10 WHERE id = $1 AND version = $2 AND runner_id = $3";
    const EXISTS: &str = "SELECT version FROM llm_integration WHERE id = $1 AND runner_id = $2";
    let one = &update.integration;
    let touched = execute!(
        tx,
        SQL,
        one.id,
        version(update.expected_version),
        one.runner,
        &json(&one.models)?,
        &json(&header_records(&one.headers))?,
        &one.endpoint,
        version(one.max_tokens),
        one.disabled,
        version(one.version),
        one.updated_at,
    )?;
    if touched > 0 {
        return Ok(());
    }
    let found = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(EXISTS)
        .bind(one.id).bind(one.runner).fetch_optional(conn).await)?;
    Err(found.map_or_else(|| Error::not_found("LLM integration"), |_| changed_meanwhile()))
}

async fn remove_headers(tx: &mut Tx, sub: Uuid) -> Result<()> {
    const SQL: &str = "DELETE FROM sealed_secret WHERE sub = $1 AND field = 'llm.header'";
    execute!(tx, SQL, sub).map(|_| ())
}

async fn set(
    tx: &mut Tx,
    one: &LlmIntegration,
    field: SecretField,
    name: &str,
    new: &NewSecret,
) -> Result<()> {
    require_active(tx, one.runner, Some(&new.sealed.kid)).await?;
    put_secret(tx, SecretPlace { runner: one.runner, sub: one.id.0, field, name }, new).await
}

fn header_records(headers: &[Header]) -> Vec<HeaderRecord> {
    headers.iter().map(|header| HeaderRecord { name: header.name.clone(), kind: header.kind }).collect()
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
