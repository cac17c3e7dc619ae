//! Says that the agent lives, and looks whether it still may.
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::Shared;
use crate::{
    agent::{backoff::Backoff, fetch},
    domain::secret::Kid,
    error::{Error, Result},
    pb::sealink::v1::HeartbeatRequest,
};

const USUAL: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(100);
/// How long a key that was just registered may take to show up in a directory that several machines share.
const KEY_GRACE: Duration = Duration::from_secs(2);

pub(super) async fn run(shared: Arc<Shared>) -> Result<()> {
    let (mut backoff, mut away) = (Backoff::default(), false);
    loop {
        let request = HeartbeatRequest { agent_id: shared.agent_id.clone() };
        match shared.client.call(&request).await {
            Ok(answer) => {
                if std::mem::take(&mut away) {
                    tracing::info!("the server is back");
                }
                backoff.reset();
                hold_active_key(&shared, &answer.active_kid).await?;
                let interval = answer.interval.and_then(|interval| Duration::try_from(interval).ok());
                tokio::time::sleep(interval.unwrap_or(USUAL).clamp(SHORTEST, USUAL)).await;
            }
            Err(error) => {
                let error = Shared::fatal(error)?;
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, working_from = shared.age(), "no heartbeat");
                }
                backoff.wait_after(&error).await;
            }
        }
    }
}

/// Notes the ACTIVE key, and stops the agent if new secrets are sealed with a key that is not here.
pub(super) async fn hold_active_key(shared: &Shared, kid: &str) -> Result<()> {
    if kid.is_empty() {
        return Ok(());
    }
    let kid = Kid(kid.to_owned());
    if !holds(shared, &kid)? {
        tokio::time::sleep(KEY_GRACE).await;
        if !holds(shared, &kid)? {
            return Err(not_ours(shared, &kid));
        }
    }
    *shared.active.lock().unwrap_or_else(PoisonError::into_inner) = Some(kid);
    Ok(())
}

fn holds(shared: &Shared, kid: &Kid) -> Result<bool> {
    Ok(shared.opener().public_key(kid)?.is_some())
}

fn not_ours(shared: &Shared, kid: &Kid) -> Error {
    fetch::not_ours(&kid.0, &shared.keys)
}
