//! Changing runners; `runner_pages.rs` reads them.
use super::{
    Store,
    changes::{Operation, log_audit, log_change},
    rotation::require_seed,
    runner_keys::{require_active, retire_unused_keys},
    tokens::{NewTokenRow, insert_token},
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        change::ObjectKind,
        id::{RunnerId, UserId},
        runner::{Configuration, RunnerKind, RunnerProvider},
        secret::Sealed,
    },
    error::{Error, Result},
};

/// A runner to be stored, with the exchange token that belongs to it.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Its id.
    pub id: RunnerId,
    /// Who creates it.
    pub creator: UserId,
    /// Its name.
    pub name: String,
    /// Whether it is local.
    pub kind: RunnerKind,
    /// What it runs on.
    pub provider: RunnerProvider,
    /// Its settings.
    pub configuration: Configuration,
    /// The metrics password.
    pub metrics_password: RecordUpdate,
    /// The exchange token.
    pub token: NewTokenRow,
}

/// A runner's settings as they are to become, if it is still at the version they were decided on.
#[derive(Clone, Debug)]
pub struct Update {
    /// The runner.
    pub id: RunnerId,
    /// The version it must have now.
    pub expected_version: u64,
    /// Its name afterwards.
    pub name: String,
    /// Its settings afterwards.
    pub configuration: Configuration,
    /// Its Honeycomb key afterwards.
    pub honeycomb_key: Option<Sealed>,
    /// The metrics password afterwards.
    pub metrics_password: RecordUpdate,
    /// What changed, for the audit log: names of fields, never values.
    pub changed: Vec<&'static str>,
}

/// What becomes of a record that is sealed at rest.
#[derive(Clone, Debug)]
pub enum RecordUpdate {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(Vec<u8>),
}

impl RecordUpdate {
    fn record(&self) -> Option<&[u8]> {
        match self {
            Self::Keep | Self::Remove => None,
            Self::Set(record) => Some(record),
        }
    }
}

impl Store {
    /// Stores a new runner and its exchange token.
    pub async fn create_runner(&self, actor: Actor, new: NewRow) -> Result<()> {
        const SQL: &str = "INSERT INTO runner (id, organization_id, creator_id, name, kind, provider, \
            configuration, metrics_password, registered, revision, version, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 1, $10, $10)";
        self.write((actor, new), |tx, (actor, new)| {
            Box::pin(async move {
                require_seed(tx, new.metrics_password.record()).await?;
                let configuration = serde_json::to_string(&new.configuration).map_err(Error::internal)?;
                execute!(
                    tx,
                    SQL,
                    new.id,
                    actor.organization,
                    new.creator,
                    &new.name,
                    new.kind,
                    new.provider,
                    &configuration,
                    new.metrics_password.record(),
                    false,
                    actor.at,
                )?;
                insert_token(tx, actor, &new.token).await?;
                log_change(tx, actor, new.id, Operation::Put, (ObjectKind::Runner, new.id.0)).await?;
                let made = Entry::new("runner.create", &new.id).with("name", new.name.as_str());
                let entry = Entry { runner: Some(new.id), ..made };
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Replaces a runner's settings by compare-and-swap on its version.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) if it, or the key its secrets are sealed with, changed meanwhile;
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if it is gone.
    pub async fn update_runner(&self, actor: Actor, update: Update) -> Result<()> {
        const SQL: &str = "UPDATE runner SET name = $3, configuration = $4, honeycomb_key = $5, \
            honeycomb_kid = $6, version = version + 1, updated_at = $7 WHERE id = $1 AND version = $2";
        const PASSWORD: &str = "UPDATE runner SET metrics_password = $2 WHERE id = $1";
        self.write((actor, update), |tx, (actor, update)| {
            Box::pin(async move {
                log_change(tx, actor, update.id, Operation::Put, (ObjectKind::Runner, update.id.0)).await?;
                let configuration = serde_json::to_string(&update.configuration).map_err(Error::internal)?;
                let honeycomb = update.honeycomb_key.as_ref();
                require_sealed_anew(tx, update.id, honeycomb).await?;
                let touched = execute!(
                    tx,
                    SQL,
                    update.id,
                    version(update.expected_version),
                    &update.name,
                    &configuration,
                    honeycomb.map(|sealed| sealed.bytes.as_slice()),
                    honeycomb.map(|sealed| &sealed.kid),
                    actor.at,
                )?;
                if touched == 0 {
                    return Err(changed_meanwhile());
                }
                if !matches!(update.metrics_password, RecordUpdate::Keep) {
                    require_seed(tx, update.metrics_password.record()).await?;
                    execute!(tx, PASSWORD, update.id, update.metrics_password.record())?;
                }
                retire_unused_keys(tx, update.id).await?;
                let entry = Entry::new("runner.update", &update.id).with("changed", update.changed.clone());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Deletes a runner of the organization with its integrations, keys and tokens. `false`: there is none.
    pub async fn delete_runner(&self, actor: Actor, id: RunnerId) -> Result<bool> {
        const SQL: &str = "DELETE FROM runner WHERE id = $1 AND organization_id = $2";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                if execute!(tx, SQL, *id, actor.organization)? == 0 {
                    return Ok(false);
                }
                log_audit(tx, actor, &Entry::new("runner.delete", id)).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// A Honeycomb key other than the stored one must be sealed with the key that is ACTIVE at the commit.
async fn require_sealed_anew(tx: &mut Tx, runner: RunnerId, key: Option<&Sealed>) -> Result<()> {
    const SQL: &str = "SELECT honeycomb_key FROM runner WHERE id = $1";
    let Some(key) = key else { return Ok(()) };
    let stored = on_tx!(tx, conn => sqlx::query_scalar::<_, Option<Vec<u8>>>(SQL)
        .bind(runner).fetch_optional(conn).await)?;
    if stored.flatten().as_ref() == Some(&key.bytes) {
        return Ok(());
    }
    require_active(tx, runner, Some(&key.kid)).await
}
