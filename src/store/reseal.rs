//! Replacing a ciphertext by one of the same secret under the runner's ACTIVE key.
use uuid::Uuid;

use super::{
    Store,
    changes::{Operation, log_audit, log_change, name_stored_credential},
    record,
    runner_keys::{require_active, retire_unused_keys},
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        change::ObjectKind,
        id::RunnerId,
        secret::{Kid, Sealed},
        secret_field::SecretField,
    },
    error::{Error, Result},
};

/// A ciphertext and the one that takes its place, if that is still what it was.
#[derive(Clone, Debug)]
pub struct Reseal {
    /// The runner.
    pub runner: RunnerId,
    /// What the secret belongs to.
    pub sub: Uuid,
    /// Which secret of it.
    pub field: SecretField,
    /// Tells apart several of one field; else empty.
    pub name: String,
    /// The version it must have now.
    pub expected_version: u64,
    /// The key it must be sealed with now.
    pub expected_kid: Kid,
    /// What it becomes; of the key that must be ACTIVE.
    pub sealed: Sealed,
}

impl Store {
    /// Replaces a ciphertext by compare-and-swap on its version and key; its version afterwards.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) if it is another now, or gone, or if the new one's
    /// key is not the ACTIVE one.
    pub async fn reseal(&self, actor: Actor, change: Reseal) -> Result<u64> {
        self.write((actor, change), |tx, (actor, change)| {
            Box::pin(async move {
                let kind = kind_of(change.field)?;
                log_change(tx, actor, change.runner, Operation::Put, (kind, change.sub)).await?;
                require_active(tx, change.runner, Some(&change.sealed.kid)).await?;
                match change.field {
                    SecretField::OauthClientSecret => integration(tx, actor, change).await?,
                    SecretField::RunnerHoneycombApiKey => honeycomb(tx, change).await?,
                    _ => other(tx, change).await?,
                }
                if kind == ObjectKind::HostToken {
                    name_stored_credential(tx, change.runner, change.sub).await?;
                }
                retire_unused_keys(tx, change.runner).await?;
                let entry = Entry::new("secret.reseal", &change.sub)
                    .with("field", change.field.wire_name())
                    .with("from", change.expected_kid.0.as_str())
                    .with("to", change.sealed.kid.0.as_str());
                log_audit(tx, actor, &entry).await?;
                Ok(change.expected_version + 1)
            })
        })
        .await
    }
}

/// What changes for the runner.
fn kind_of(field: SecretField) -> Result<ObjectKind> {
    match field {
        SecretField::OauthClientSecret => Ok(ObjectKind::Integration),
        SecretField::RunnerHoneycombApiKey => Ok(ObjectKind::Runner),
        SecretField::HostTokenValue | SecretField::HostTokenRefresh => Ok(ObjectKind::HostToken),
        SecretField::LlmApiKey | SecretField::LlmHeader => Ok(ObjectKind::LlmIntegration),
        SecretField::ValidateClientSecret | SecretField::OauthVerifier => {
            Err(Error::internal("a secret that is never stored"))
        }
    }
}

async fn integration(tx: &mut Tx, actor: &Actor, change: &Reseal) -> Result<()> {
    const FIND: &str = "SELECT record FROM scm_integration \
        WHERE id = $1 AND runner_id = $2 AND version = $3 AND kid = $4";
    const SQL: &str = "UPDATE scm_integration SET kid = $2, version = $3, record = $4 WHERE id = $1";
    let found: Option<Vec<u8>> = on_tx!(tx, conn => sqlx::query_scalar(FIND)
        .bind(change.sub).bind(change.runner).bind(version(change.expected_version)).bind(&change.expected_kid)
        .fetch_optional(conn).await)?;
    let found = found.map(|record| record::decode_all(&record)).transpose()?.and_then(|mut all| all.pop());
    let mut integration = found.ok_or_else(changed_meanwhile)?;
    let oauth = integration.oauth.as_mut().ok_or_else(changed_meanwhile)?;
    oauth.secret = Some(change.sealed.clone());
    integration.version += 1;
    integration.updated_at = integration.updated_at.max(actor.at);
    let next = version(integration.version);
    execute!(tx, SQL, change.sub, &change.sealed.kid, next, record::encode(&integration)).map(|_| ())
}

async fn honeycomb(tx: &mut Tx, change: &Reseal) -> Result<()> {
    const SQL: &str = "UPDATE runner SET honeycomb_key = $4, honeycomb_kid = $5, version = version + 1 \
        WHERE id = $1 AND version = $2 AND honeycomb_kid = $3";
    let expected = version(change.expected_version);
    let Sealed { bytes, kid } = &change.sealed;
    swapped(execute!(tx, SQL, change.runner, expected, &change.expected_kid, bytes.as_slice(), kid)?)
}

async fn other(tx: &mut Tx, change: &Reseal) -> Result<()> {
    const SQL: &str = "UPDATE sealed_secret SET sealed = $7, kid = $8, version = version + 1 \
        WHERE sub = $1 AND field = $2 AND name = $3 AND runner_id = $4 AND version = $5 AND kid = $6";
    let Sealed { bytes, kid } = &change.sealed;
    swapped(execute!(
        tx,
        SQL,
        change.sub,
        change.field.wire_name(),
        &change.name,
        change.runner,
        version(change.expected_version),
        &change.expected_kid,
        bytes.as_slice(),
        kid,
    )?)
}

fn swapped(touched: u64) -> Result<()> {
    if touched == 0 { Err(changed_meanwhile()) } else { Ok(()) }
}
