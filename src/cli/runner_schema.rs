//! `sealink runner schema`.
use super::{context::Context, output};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        GetRunnerConfigurationSchemaRequest, RunnerConfigurationSchema,
        runner_configuration_schema::{EnumField, Field, IntField, ScmConfigSchema, field::Type},
    },
};

pub(super) async fn show(context: &Context, runner_id: String) -> Result<()> {
    let answer = context.client()?.call(&GetRunnerConfigurationSchemaRequest { runner_id }).await?;
    let schema = answer.schema.ok_or_else(|| Error::not_found("runner"))?;
    if context.out.is_json() {
        return output::json(&schema);
    }
    let RunnerConfigurationSchema { version: _, runner_config, environment_classes, scm } = &schema;
    output::table(
        scm,
        ["SCM", "NAME", "HOSTS", "OAUTH CALLBACK", "PAT"],
        |scm| [scm.scm_id.clone(), scm.name.clone(), scm.default_hosts.join(" "), oauth(scm), pat(scm)],
        "the runner can be configured for no SCM",
    )?;
    for (title, fields) in [("runner", runner_config), ("environment classes", environment_classes)] {
        if fields.is_empty() {
            continue;
        }
        output::note(&format!("settings of {title}:"));
        let row = |field: &Field| [field.id.clone(), field.name.clone(), needed(field), values(field)];
        output::table(fields, ["SETTING", "NAME", "REQUIRED", "VALUES"], row, "")?;
    }
    Ok(())
}

fn oauth(scm: &ScmConfigSchema) -> String {
    match &scm.oauth {
        None => "no OAuth".to_owned(),
        Some(oauth) if oauth.callback_url.is_empty() => "yes".to_owned(),
        Some(oauth) => oauth.callback_url.clone(),
    }
}

fn pat(scm: &ScmConfigSchema) -> String {
    if scm.pat.is_some() { "yes" } else { "no" }.to_owned()
}

fn needed(field: &Field) -> String {
    if field.required { "yes" } else { "no" }.to_owned()
}

/// What a setting takes, for people.
fn values(field: &Field) -> String {
    match &field.r#type {
        None => String::new(),
        Some(Type::String(text)) if text.pattern.is_empty() => "text".to_owned(),
        Some(Type::String(text)) => format!("text like {}", text.pattern),
        Some(Type::Bool(_)) => "true, false".to_owned(),
        Some(Type::Int(IntField { min: 0, max: 0, .. })) => "a number".to_owned(),
        Some(Type::Int(IntField { min, max, .. })) => format!("{min} to {max}"),
        Some(Type::Enum(EnumField { possible_values, .. })) => {
            possible_values.iter().map(|value| value.title.as_str()).collect::<Vec<_>>().join(", ")
        }
        Some(Type::Display(shown)) => shown.default.clone(),
    }
}
