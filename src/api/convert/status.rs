//! What a runner's agents say of it.
use super::timestamp;
use crate::{
    domain::{
        id::{AgentId, parse_uuid},
        liveness::{ReportPatch, SecretFault, SecretReport},
        runner::{Runner, RunnerPhase},
        secret::Kid,
        text::plain_text,
    },
    error::{Error, Result},
    pb::{gitpod::v1 as pb, sealink::v1 as sealink},
    service::{StatusUpdate, View},
};

/// The longest text that goes into a status, in characters; shorter ones have their own rule.
const LONGEST: usize = 1_000;

/// A runner's phase.
pub(crate) fn phase(phase: RunnerPhase) -> pb::RunnerPhase {
    match phase {
        RunnerPhase::Created => pb::RunnerPhase::Created,
        RunnerPhase::Inactive => pb::RunnerPhase::Inactive,
        RunnerPhase::Active => pb::RunnerPhase::Active,
        RunnerPhase::Degraded => pb::RunnerPhase::Degraded,
    }
}

/// A runner's status.
pub(super) fn status(runner: &Runner, view: View<'_>) -> pb::RunnerStatus {
    let now = view.now;
    let liveness = &runner.liveness;
    let report = &liveness.report;
    let region = if report.region.is_empty() { &runner.configuration.region } else { &report.region };
    let info = report.additional_info.iter();
    pb::RunnerStatus {
        updated_at: Some(timestamp(runner.updated_at.max(liveness.updated_at.unwrap_or(runner.updated_at)))),
        version: report.version.clone(),
        system_details: report.system_details.clone(),
        phase: phase(runner.phase(now)).into(),
        log_url: view.public_url.join(&format!("/runners/{}/logs", runner.id)),
        message: liveness.degradation(now).to_owned(),
        region: region.clone(),
        additional_info: info
            .map(|(key, value)| pb::FieldValue { key: key.clone(), value: value.clone() })
            .collect(),
        capabilities: report.capabilities.clone(),
        llm_url: report.llm_url.clone(),
        public_key: runner.active_key.as_ref().map(|key| key.public_key.clone()).unwrap_or_default(),
        ..pb::RunnerStatus::default()
    }
}

impl TryFrom<sealink::UpdateStatusRequest> for StatusUpdate {
    type Error = Error;

    fn try_from(request: sealink::UpdateStatusRequest) -> Result<Self> {
        let sealink::UpdateStatusRequest {
            agent_id,
            version,
            system_details,
            degradation_message,
            region,
            additional_info,
            capabilities,
            llm_url,
            secrets,
        } = request;
        let text =
            |field, text: Option<String>| text.map(|text| plain_text(field, text, LONGEST)).transpose();
        let report = ReportPatch {
            version: text("version", version)?,
            system_details: text("system_details", system_details)?,
            region: text("region", region)?,
            llm_url: text("llm_url", llm_url)?,
            additional_info: additional_info.into_iter().map(info).collect::<Result<_>>()?,
            capabilities: known(capabilities),
        };
        Ok(Self {
            agent: AgentId::parse("agent_id", &agent_id)?,
            report,
            degradation: text("degradation_message", degradation_message)?,
            secrets: secrets.into_iter().map(secret).collect::<Result<_>>()?,
        })
    }
}

fn info(update: pb::FieldValueUpdate) -> Result<(String, Option<String>)> {
    let value = update.value.map(|value| plain_text("additional_info", value, LONGEST)).transpose()?;
    Ok((plain_text("additional_info", update.key, LONGEST)?, value))
}

/// Nothing leaves what was reported, UNSPECIFIED alone clears it. A newer agent's capabilities that this release
/// does not know are left out.
fn known(mut capabilities: Vec<i32>) -> Option<Vec<i32>> {
    if capabilities.is_empty() {
        return None;
    }
    capabilities.retain(|number| *number != 0 && pb::RunnerCapability::try_from(*number).is_ok());
    capabilities.sort_unstable();
    capabilities.dedup();
    Some(capabilities)
}

fn secret(report: sealink::SecretReport) -> Result<SecretReport> {
    let fault = match sealink::SecretState::try_from(report.state) {
        Ok(sealink::SecretState::Ok) => None,
        Ok(sealink::SecretState::Rejected) => Some(SecretFault::Rejected),
        Ok(sealink::SecretState::Undecryptable) => Some(SecretFault::Undecryptable),
        _ => {
            let message = "value must be OK, REJECTED or UNDECRYPTABLE";
            return Err(Error::invalid("secrets.state", "sealink.secret_state", message));
        }
    };
    Ok(SecretReport {
        object: parse_uuid("secrets.object_id", &report.object_id)?,
        field: plain_text("secrets.field", report.field, LONGEST)?,
        name: plain_text("secrets.name", report.name, LONGEST)?,
        kid: Kid(plain_text("secrets.kid", report.kid, LONGEST)?),
        version: report.version,
        fault,
    })
}
