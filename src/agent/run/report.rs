//! Tells the server what is wrong here, and which secrets cannot be used.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use uuid::Uuid;

use super::Shared;
use crate::{
    agent::{backoff::Backoff, secrets},
    error::Result,
    pb::{
        gitpod::v1::RunnerCapability,
        sealink::v1::{SecretReport, SecretState, UpdateStatusRequest},
    },
};

/// Several changes at once become one report.
const SETTLE: Duration = Duration::from_millis(100);
/// A key that arrives late is noticed by itself.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// What one report may hold.
const MAX_SECRETS: usize = 100;

/// Which secret: object, field, name.
type Which = (String, String, String);
/// What became of secrets that cannot be used.
type States = HashMap<Which, SecretReport>;

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
                    backoff.wait_after(&error).await;
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

/// Opens every secret, counts the outcomes, and answers those that cannot be used; people's credentials count as
/// they were when a call last needed them.
fn unusable(shared: &Shared) -> Result<States> {
    let known = shared.known();
    let (all, credentials) = {
        let mut opener = shared.opener();
        (secrets::of(&known, &mut opener)?, opener.credential_faults().to_vec())
    };
    let mut counts = BTreeMap::<&'static str, u64>::new();
    for found in &all {
        *counts.entry(found.outcome.name()).or_default() += 1;
    }
    for report in &credentials {
        let name = report.state().as_str_name().trim_start_matches("SECRET_STATE_");
        *counts.entry(name).or_default() += 1;
    }
    let reports = all.iter().filter_map(secrets::Found::report).chain(credentials);
    let found: States = reports.filter(is_reportable).map(|report| (which(&report), report)).collect();
    if shared.health.facts().secrets != counts {
        for report in found.values() {
            tracing::warn!(
                object = report.object_id,
                field = report.field,
                state = report.state().as_str_name(),
                "a secret cannot be used"
            );
        }
        shared.health.note(|facts| facts.secrets = counts);
    }
    Ok(found)
}

fn which(report: &SecretReport) -> Which {
    (report.object_id.clone(), report.field.clone(), report.name.clone())
}

/// What has no valid id the server cannot be told of: it would refuse the whole report.
fn is_reportable(report: &SecretReport) -> bool {
    Uuid::try_parse(&report.object_id).is_ok()
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
        let which = which(report);
        match unusable.get(&which) {
            Some(state) => known.insert(which, state.clone()),
            None => known.remove(&which),
        };
    }
    known
}
