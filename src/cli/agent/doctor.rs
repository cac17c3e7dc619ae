//! `sealink agent doctor`.
use serde_json::json;

use super::Place;
use crate::cli::{context::Context, output};
use crate::{
    agent::doctor::{self, Report, State},
    error::{Error, Kind, Result},
};

pub(super) async fn run(context: &Context, place: &Place) -> Result<()> {
    let report = doctor::examine(place.agent_dir(), &place.keys(), context.named_server()?).await;
    if context.out.is_json() {
        output::json(&to_json(&report))?;
    } else {
        table(&report)?;
    }
    if report.is_healthy() {
        return Ok(());
    }
    let bad = report.findings.iter().filter(|finding| finding.state == State::Bad).count();
    Err(Error::new(
        Kind::DataLoss,
        format!("{bad} of {} checks are bad; see the cures above", report.findings.len()),
    ))
}

fn table(report: &Report) -> Result<()> {
    let rows = report.findings.iter().map(|finding| {
        let cure = if finding.cure.is_empty() { String::new() } else { format!("; {}", finding.cure) };
        [finding.state.name().to_owned(), finding.check.to_owned(), format!("{}{cure}", finding.says)]
    });
    let rows: Vec<_> = rows.collect();
    output::table(&rows, ["", "CHECK", "STATE"], Clone::clone, "nothing was looked at")?;
    let keys: Vec<_> = report
        .keys
        .iter()
        .map(|key| {
            let held = if key.held { "here" } else { "elsewhere" };
            [key.kid.clone(), key.fingerprint.clone(), key.state.clone(), held.to_owned()]
        })
        .collect();
    output::table(&keys, ["KID", "FINGERPRINT", "STATE", "PRIVATE HALF"], Clone::clone, "no keys")?;
    let counts: Vec<_> = report.secrets.iter().map(|(state, count)| (*state, count.to_string())).collect();
    output::fields(&counts)
}

fn to_json(report: &Report) -> serde_json::Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "check": finding.check,
            "state": finding.state.name(),
            "says": finding.says,
            "cure": finding.cure,
        })
    });
    let keys = report.keys.iter().map(|key| {
        json!({
            "kid": key.kid,
            "fingerprint": key.fingerprint,
            "state": key.state,
            "held": key.held,
        })
    });
    json!({
        "healthy": report.is_healthy(),
        "findings": findings.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "secrets": report.secrets,
    })
}
