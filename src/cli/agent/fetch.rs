//! `sealink agent fetch`.
use serde_json::{Value, json};

use super::Place;
use crate::{
    agent::{
        delivery::object,
        dir::AgentDir,
        fetch::{self, Configuration, Opened},
        opener::Outcome,
        register, secrets,
    },
    cli::{context::Context, output},
    error::{Error, Kind, Result},
};

pub(super) async fn run(context: &Context, place: &Place, reveal: bool) -> Result<()> {
    let dir = AgentDir::open(&place.agent_dir)?;
    let session = register::sign_in(&dir, context.named_server()?, None).await?;
    let configuration = fetch::fetch(&session, &dir, &place.keys()).await?;
    if context.out.is_json() {
        output::json(&to_json(&configuration, reveal))?;
    } else {
        table(&configuration, reveal)?;
    }
    let all = configuration.secrets();
    let bad = all.iter().filter(|(_, outcome)| !matches!(**outcome, Outcome::Ok(_))).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::DataLoss,
        format!("{bad} of {} secrets cannot be used; see the reasons above", all.len()),
    ))
}

fn table(configuration: &Configuration, reveal: bool) -> Result<()> {
    let row = |opened: &Opened| {
        let integration = &opened.integration;
        let client_id = if opened.secret.is_some() { integration.client_id.as_str() } else { "-" };
        [
            integration.id.clone(),
            integration.scm_id.clone(),
            integration.host.clone(),
            client_id.to_owned(),
            if integration.pat { "on" } else { "off" }.to_owned(),
            opened.secret.as_deref().map_or("-", Outcome::name).to_owned(),
            secret(opened.secret.as_deref(), reveal),
        ]
    };
    let header = ["ID", "SCM", "HOST", "CLIENT ID", "PAT", "STATE", if reveal { "SECRET" } else { "REASON" }];
    output::table(&configuration.integrations, header, row, "the runner has no integrations")?;
    llm_table(configuration, reveal)?;
    if let Some(outcome) = configuration.honeycomb_api_key.as_deref() {
        let text = format!("{} {}", outcome.name(), secret(Some(outcome), reveal));
        output::fields(&[("honeycomb api key", text)])?;
    }
    output::note(&format!("revision {}", configuration.revision));
    Ok(())
}

/// One row for each secret of an LLM integration.
fn llm_table(configuration: &Configuration, reveal: bool) -> Result<()> {
    let all = configuration.llm_integrations.iter().flat_map(|(one, opened)| secrets::of_llm(one, opened));
    let rows: Vec<_> = all
        .map(|found| {
            let outcome = &*found.outcome;
            let text = secret(Some(outcome), reveal);
            [found.object_id, found.field.wire_name().to_owned(), found.name, outcome.name().to_owned(), text]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let header = ["LLM INTEGRATION", "SECRET", "NAME", "STATE", if reveal { "SECRET" } else { "REASON" }];
    output::table(&rows, header, Clone::clone, "")
}

/// The opened secret if it may be shown, or why there is none.
fn secret(outcome: Option<&Outcome>, reveal: bool) -> String {
    match outcome {
        Some(Outcome::Ok(secret)) if reveal => secret.expose().to_owned(),
        Some(outcome) => outcome.reason().to_owned(),
        None => String::new(),
    }
}

fn to_json(configuration: &Configuration, reveal: bool) -> Value {
    let integrations: Vec<_> = configuration
        .integrations
        .iter()
        .map(|one| object::integration(&one.integration, one.secret.as_deref(), reveal))
        .collect();
    let llm = configuration.llm_integrations.iter();
    let llm = llm.map(|(one, opened)| object::llm_integration(one, opened, reveal));
    let mut value = json!({
        "runnerId": configuration.runner_id.to_string(),
        "epoch": configuration.epoch,
        "revision": configuration.revision,
        "integrations": integrations,
        "llmIntegrations": llm.collect::<Vec<_>>(),
    });
    if let Some(outcome) = configuration.honeycomb_api_key.as_deref() {
        let mut found = json!({"state": outcome.name()});
        object::add_outcome(&mut found, outcome, "value", reveal);
        value["honeycombApiKey"] = found;
    }
    value
}
