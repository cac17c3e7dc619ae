//! What goes with a revoked key: everything that was sealed with it.
use uuid::Uuid;

use super::{
    changes::{Operation, log_change},
    host_tokens::{self, Row, select_host_token},
    record,
    tx::{Tx, execute, on_tx},
};
use crate::{
    domain::{audit::Actor, change::ObjectKind, id::RunnerId, secret::Kid, secret_field::SecretField},
    error::Result,
};

/// Wipes every ciphertext of the runner that is sealed with `kid`; how many they were. An integration keeps
/// its client id and shows that its secret is missing; an LLM integration becomes
/// unavailable; a host token goes altogether. The runner's row must be
/// locked by now.
pub(super) async fn wipe(tx: &mut Tx, actor: &Actor, runner: RunnerId, kid: &Kid) -> Result<u32> {
    const COUNT: &str = "SELECT count(*) FROM sealed_secret WHERE runner_id = $1 AND kid = $2";
    const HONEYCOMB: &str = "UPDATE runner SET honeycomb_key = NULL, honeycomb_kid = NULL, \
        version = version + 1 WHERE id = $1 AND honeycomb_kid = $2";
    let stored: i64 =
        on_tx!(tx, conn => sqlx::query_scalar(COUNT).bind(runner).bind(kid).fetch_one(conn).await)?;
    remove_host_tokens(tx, actor, runner, kid).await?;
    wipe_llm_integrations(tx, actor, runner, kid).await?;
    let integrations = wipe_integrations(tx, actor, runner, kid).await?;
    let honeycomb = execute!(tx, HONEYCOMB, runner, kid)?;
    Ok(u32::try_from(stored).unwrap_or(u32::MAX) + integrations + u32::from(honeycomb > 0))
}

async fn wipe_integrations(tx: &mut Tx, actor: &Actor, runner: RunnerId, kid: &Kid) -> Result<u32> {
    const FIND: &str = "SELECT record FROM scm_integration WHERE runner_id = $1 AND kid = $2";
    const WIPE: &str =
        "UPDATE scm_integration SET kid = NULL, version = version + 1, record = $2 WHERE id = $1";
    let records: Vec<Vec<u8>> =
        on_tx!(tx, conn => sqlx::query_scalar(FIND).bind(runner).bind(kid).fetch_all(conn).await)?;
    let mut wiped = 0;
    for mut integration in record::decode_all(&records.concat())? {
        if let Some(oauth) = &mut integration.oauth {
            oauth.secret = None;
        }
        integration.version += 1;
        integration.updated_at = actor.at;
        execute!(tx, WIPE, integration.id, record::encode(&integration))?;
        note(tx, runner, integration.id.0, SecretField::OauthClientSecret).await?;
        log_change(tx, actor, runner, Operation::Put, (ObjectKind::Integration, integration.id.0)).await?;
        wiped += 1;
    }
    Ok(wiped)
}

/// What an integration has to be told again, it says itself; the rest of it stays.
async fn wipe_llm_integrations(tx: &mut Tx, actor: &Actor, runner: RunnerId, kid: &Kid) -> Result<()> {
    const FIND: &str = "SELECT DISTINCT l.id FROM llm_integration l JOIN sealed_secret s ON s.sub = l.id \
        WHERE s.runner_id = $1 AND s.kid = $2 ORDER BY l.id";
    const WIPE: &str = "UPDATE sealed_secret SET kid = NULL, sealed = NULL, version = version + 1 \
        WHERE sub = $1 AND kid = $2";
    const COUNT: &str = "UPDATE llm_integration SET version = version + 1, updated_at = $2 WHERE id = $1";
    let found: Vec<Uuid> =
        on_tx!(tx, conn => sqlx::query_scalar(FIND).bind(runner).bind(kid).fetch_all(conn).await)?;
    for id in found {
        execute!(tx, WIPE, id, kid)?;
        execute!(tx, COUNT, id, actor.at)?;
        log_change(tx, actor, runner, Operation::Put, (ObjectKind::LlmIntegration, id)).await?;
    }
    Ok(())
}

/// Leaves a note that this secret is to be entered again, for lists of secrets.
async fn note(tx: &mut Tx, runner: RunnerId, sub: Uuid, field: SecretField) -> Result<()> {
    const SQL: &str = "INSERT INTO sealed_secret (id, runner_id, sub, field, name, version) \
        VALUES ($1, $2, $1, $3, '', 1) ON CONFLICT DO NOTHING";
    execute!(tx, SQL, sub, runner, field.wire_name()).map(|_| ())
}

/// A credential without its value is none, and one that cannot be renewed would end unnoticed.
async fn remove_host_tokens(tx: &mut Tx, actor: &Actor, runner: RunnerId, kid: &Kid) -> Result<()> {
    const FIND: &str = select_host_token!(
        "WHERE runner_id = $1 AND id IN (SELECT sub FROM sealed_secret WHERE runner_id = $1 AND kid = $2) ORDER BY id"
    );
    let rows: Vec<Row> =
        on_tx!(tx, conn => sqlx::query_as(FIND).bind(runner).bind(kid).fetch_all(conn).await)?;
    for row in rows {
        host_tokens::remove(tx, actor, &row.decode()?.0).await?;
    }
    Ok(())
}
