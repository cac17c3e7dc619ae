//! Tells the server what is wrong here, and which secrets cannot be used.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use super::Shared;
use crate::{
    agent::{backoff::Backoff, opener::Outcome},
    error::Result,
    pb::{
        gitpod::v1::RunnerCapability,
        sealink::v1::{SecretReport, SecretState, UpdateStatusRequest},
    },
    seal::Field,
};

/// Several changes at once become one report.
const SETTLE: Duration = Duration::from_millis(100);
/// A key that arrives late is noticed by itself.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// What one report may hold.
const MAX_SECRETS: usize = 100;

/// A secret's place and version, and what became of it.
type States = HashMap<(String, &'static str), SecretReport>;

/// What the server was told.
#[derive(Default)]
struct Told {
    introduced: bool,
    degradation: String,
    unusable: States,
}

pub(super) async fn run(shared: Arc<Shared>) -> Result<()> {
    let (mut told, mut backoff) = (Told::default(), Backoff::default());
    let mut configuration = shared.configuration.subscribe();
    loop {
        let unusable = unusable(&shared)?;
        let degradation = shared.health.facts().degradation();
        if let Some(request) = report(&shared.agent_id, &told, &degradation, &unusable) {
            match shared.client.call(&request).await {
                Ok(_) => {
                    backoff.reset();
                    told =
                        Told { introduced: true, degradation, unusable: heard(&told, &unusable, &request) };
                    // There may have been more than one report holds.
                    continue;
                }
                Err(error) => {
                    let error = Shared::fatal(error)?;
                    tracing::debug!(%error, "the status was not reported");
                    backoff.wait().await;
                    continue;
                }
            }
        }
        tokio::select! {
            _ = configuration.changed() => {}
            () = shared.health.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// Opens every client secret, counts the outcomes, and answers those that cannot be used.
fn unusable(shared: &Shared) -> Result<States> {
    let known = shared.known();
    let (mut found, mut counts) = (States::new(), BTreeMap::<&'static str, u64>::new());
    for integration in known.integrations() {
        let Some(outcome) = shared.opener().client_secret(integration)? else { continue };
        *counts.entry(outcome.name()).or_default() += 1;
        let state = match &*outcome {
            Outcome::Ok(_) | Outcome::Missing => continue,
            Outcome::Rejected(_) => SecretState::Rejected,
            Outcome::Undecryptable(_) => SecretState::Undecryptable,
        };
        let field = Field::OauthClientSecret.wire_name();
        let report = SecretReport {
            object_id: integration.id.clone(),
            field: field.to_owned(),
            name: String::new(),
            kid: integration.kid.clone(),
            version: integration.version,
            state: state.into(),
        };
        found.insert((integration.id.clone(), field), report);
    }
    if shared.health.facts().secrets != counts {
        for report in found.values() {
            tracing::warn!(
                integration = report.object_id,
                state = report.state().as_str_name(),
                "a client secret cannot be used"
            );
        }
        shared.health.note(|facts| facts.secrets = counts);
    }
    Ok(found)
}

/// What is to be said, if anything.
fn report(agent_id: &str, told: &Told, degradation: &str, unusable: &States) -> Option<UpdateStatusRequest> {
    let news = unusable.iter().filter(|(place, report)| told.unusable.get(*place) != Some(*report));
    let mended = told.unusable.iter().filter(|(place, _)| !unusable.contains_key(*place));
    let withdrawn = mended.map(|(_, report)| {
        let mut report = report.clone();
        report.set_state(SecretState::Ok);
        report
    });
    let mut secrets: Vec<_> = news.map(|(_, report)| report.clone()).chain(withdrawn).collect();
    secrets.truncate(MAX_SECRETS);
    if told.introduced && secrets.is_empty() && degradation == told.degradation {
        return None;
    }
    let mut request = UpdateStatusRequest {
        agent_id: agent_id.to_owned(),
        degradation_message: Some(degradation.to_owned()),
        secrets,
        ..Default::default()
    };
    if !told.introduced {
        request.version = Some(env!("CARGO_PKG_VERSION").to_owned());
        request.system_details = Some(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
        request.capabilities = vec![
            RunnerCapability::ListScmOrganizations.into(),
            RunnerCapability::CheckRepositoryAccess.into(),
        ];
    }
    Some(request)
}

/// What the server knows after a report.
fn heard(told: &Told, unusable: &States, request: &UpdateStatusRequest) -> States {
    let mut known: States = told.unusable.clone();
    for report in &request.secrets {
        let place = (report.object_id.clone(), Field::OauthClientSecret.wire_name());
        match unusable.get(&place) {
            Some(state) => known.insert(place, state.clone()),
            None => known.remove(&place),
        };
    }
    known
}
