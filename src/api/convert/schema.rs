//! Schemas of runners. Of an enum's members, the superseded ones are read where the others are empty, and
//! always written.
#![expect(deprecated, reason = "older runners and clients know only the superseded members of an enum")]
use pb::{EnumField, enum_field::Value, field::Type};

use crate::{
    domain::schema::{Choice, Field, FieldKind, Schema, ScmSchema, TokenHelp},
    error::{Error, Result},
    pb::gitpod::v1::{RunnerConfigurationSchema, runner_configuration_schema as pb},
};

impl TryFrom<RunnerConfigurationSchema> for Schema {
    type Error = Error;

    fn try_from(schema: RunnerConfigurationSchema) -> Result<Self> {
        let RunnerConfigurationSchema { version, runner_config, environment_classes, scm } = schema;
        Ok(Self {
            version,
            runner: fields("schema.runner_config", runner_config)?,
            environment_classes: fields("schema.environment_classes", environment_classes)?,
            scms: scm.into_iter().map(read_scm).collect(),
        })
    }
}

fn fields(list: &str, fields: Vec<pb::Field>) -> Result<Vec<Field>> {
    let fields = fields.into_iter().enumerate();
    fields
        .map(|(index, field)| {
            let pb::Field { id, name, description, required, secret, r#type } = field;
            let untyped = || {
                let at = format!("{list}[{index}].type");
                Error::invalid(at, "sealink.schema", "value must say which values the setting takes")
            };
            let kind = read_kind(r#type.ok_or_else(untyped)?);
            Ok(Field { id, name, description, required, secret, kind })
        })
        .collect()
}

fn read_kind(kind: Type) -> FieldKind {
    match kind {
        Type::String(pb::StringField { default, pattern }) => FieldKind::Text { default, pattern },
        Type::Bool(pb::BoolField { default }) => FieldKind::Bool { default },
        Type::Int(pb::IntField { default, min, max }) => FieldKind::Int { default, min, max },
        Type::Display(pb::DisplayField { default }) => FieldKind::Display { text: default },
        Type::Enum(EnumField { default, values, default_value, possible_values }) => {
            let plain = |title| Choice { title, ..Choice::default() };
            let choices: Vec<_> = if possible_values.is_empty() {
                values.into_iter().map(plain).collect()
            } else {
                possible_values.into_iter().map(read_choice).collect()
            };
            // The superseded member names a choice by its title.
            let named = || {
                let known = choices.iter().find(|choice| choice.title == default).cloned();
                (!default.is_empty()).then(|| known.unwrap_or_else(|| plain(default.clone())))
            };
            FieldKind::Enum { default: default_value.map(read_choice).or_else(named), choices }
        }
    }
}

fn read_choice(Value { title, subtitle, detail }: Value) -> Choice {
    Choice { title, subtitle, detail }
}

fn read_scm(scm: pb::ScmConfigSchema) -> ScmSchema {
    let pb::ScmConfigSchema { scm_id, name, default_hosts, oauth, pat } = scm;
    let help = |pb::PersonalAccessToken { description, docs_link }| TokenHelp { description, docs_link };
    let oauth = oauth.map(|oauth| oauth.callback_url);
    ScmSchema { scm_id, name, default_hosts, oauth, pat: pat.map(help) }
}

/// A schema as clients see it.
pub(crate) fn schema(schema: Schema) -> RunnerConfigurationSchema {
    let Schema { version, runner, environment_classes, scms } = schema;
    RunnerConfigurationSchema {
        version,
        runner_config: runner.into_iter().map(field).collect(),
        environment_classes: environment_classes.into_iter().map(field).collect(),
        scm: scms.into_iter().map(scm).collect(),
    }
}

fn field(field: Field) -> pb::Field {
    let Field { id, name, description, required, secret, kind } = field;
    pb::Field { id, name, description, required, secret, r#type: Some(write_kind(kind)) }
}

fn write_kind(kind: FieldKind) -> Type {
    match kind {
        FieldKind::Text { default, pattern } => Type::String(pb::StringField { default, pattern }),
        FieldKind::Bool { default } => Type::Bool(pb::BoolField { default }),
        FieldKind::Int { default, min, max } => Type::Int(pb::IntField { default, min, max }),
        FieldKind::Display { text } => Type::Display(pb::DisplayField { default: text }),
        FieldKind::Enum { default, choices } => Type::Enum(EnumField {
            default: default.as_ref().map(|choice| choice.title.clone()).unwrap_or_default(),
            values: choices.iter().map(|choice| choice.title.clone()).collect(),
            default_value: default.map(value),
            possible_values: choices.into_iter().map(value).collect(),
        }),
    }
}

fn value(Choice { title, subtitle, detail }: Choice) -> Value {
    Value { title, subtitle, detail }
}

fn scm(scm: ScmSchema) -> pb::ScmConfigSchema {
    let ScmSchema { scm_id, name, default_hosts, oauth, pat } = scm;
    let help = |TokenHelp { description, docs_link }| pb::PersonalAccessToken { description, docs_link };
    let oauth = oauth.map(|callback_url| pb::OAuth { callback_url });
    pb::ScmConfigSchema { scm_id, name, default_hosts, oauth, pat: pat.map(help) }
}
