//! Follows the configuration, from the last revision that is known here.
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Shared;
use crate::{
    agent::{backoff::Backoff, configuration::Change, delivery::Job},
    client::{ClientError, Messages},
    domain::id::RunnerId,
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        WatchConfigurationRequest, WatchConfigurationResponse, watch_configuration_response::Event,
    },
};

pub(super) async fn run(shared: Arc<Shared>, jobs: mpsc::UnboundedSender<Job>) -> Result<()> {
    let mut backoff = Backoff::default();
    loop {
        let known = shared.known();
        let request = WatchConfigurationRequest {
            agent_id: shared.agent_id.clone(),
            epoch: known.epoch.clone(),
            after_revision: known.revision,
        };
        match shared.client.stream(&request).await {
            Ok(mut messages) => {
                let followed = follow(&shared, &jobs, &mut messages, &mut backoff).await;
                shared.health.note(|facts| facts.watching = false);
                match followed? {
                    Some(error) => backoff.wait_after(&error).await,
                    None => backoff.wait().await,
                }
            }
            Err(error) => {
                let error = Shared::fatal(error)?;
                tracing::warn!(%error, working_from = shared.age(), "the configuration cannot be watched");
                backoff.wait_after(&error).await;
            }
        }
    }
}

/// Applies messages until the stream ends; with what, if that was an error.
async fn follow(
    shared: &Shared,
    jobs: &mpsc::UnboundedSender<Job>,
    messages: &mut Messages<WatchConfigurationResponse>,
    backoff: &mut Backoff,
) -> Result<Option<ClientError>> {
    shared.health.note(|facts| facts.watching = true);
    loop {
        match messages.next().await {
            Ok(Some(message)) => {
                backoff.reset();
                if !apply(shared, jobs, message)? {
                    return Ok(None);
                }
            }
            Ok(None) => return Ok(None),
            Err(error) => {
                let error = Shared::fatal(error)?;
                tracing::info!(%error, working_from = shared.age(), "the watch ended; watching again");
                return Ok(Some(error));
            }
        }
    }
}

/// Applies one message; `false` if the watch must start again from nothing.
fn apply(
    shared: &Shared,
    jobs: &mpsc::UnboundedSender<Job>,
    message: WatchConfigurationResponse,
) -> Result<bool> {
    require_own(shared.runner, &message)?;
    let known = shared.known();
    let (next, change) = match known.after(message, shared.runner, shared.clock.now()) {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(%error, "watching again from nothing");
            // What there is stays in use; only the next request asks for everything.
            shared.configuration.send_replace(Arc::new(known.adrift()));
            return Ok(false);
        }
    };
    if matches!(change, Change::HostToken | Change::Deleted(_)) {
        // What must not be used any more must not be kept either.
        let mut opener = shared.opener();
        opener.forget_all();
        if change == Change::HostToken {
            opener.forget_faults();
        }
    }
    if change != Change::Confirmed {
        tracing::info!(revision = next.revision, "the configuration changed");
    }
    let next = Arc::new(next);
    shared.configuration.send_replace(Arc::clone(&next));
    shared.health.note(|facts| {
        facts.revision = next.revision;
        facts.confirmed_at = Some(next.confirmed_at);
    });
    // The delivery ends only with the agent.
    let _ = jobs.send(Job { configuration: next, change });
    Ok(true)
}

/// Another runner's configuration is the one thing that no later message can mend.
fn require_own(runner: RunnerId, message: &WatchConfigurationResponse) -> Result<()> {
    match &message.event {
        Some(Event::Snapshot(snapshot))
            if RunnerId::parse("id", &snapshot.runner_id).ok() != Some(runner) =>
        {
            Err(Error::new(Kind::DataLoss, "the server answered with another runner's configuration"))
        }
        _ => Ok(()),
    }
}
