//! Environment classes: sizes and shapes of environment that a runner offers.
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    domain::{
        id::{EnvironmentClassId, RunnerId},
        runner::{RunnerKind, RunnerProvider},
        schema::{Field, FieldKind, Schema},
        text::plain_text,
    },
    error::{Error, Result},
};

const RULE: &str = "sealink.environment_class";
const MOST_SETTINGS: usize = 100;
const LONGEST_NAME: usize = 127;
const LONGEST_DESCRIPTION: usize = 200;
const LONGEST_KEY: usize = 64;
const LONGEST_VALUE: usize = 1_000;

/// An environment class as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentClass {
    /// Its id.
    pub id: EnvironmentClassId,
    /// The runner that offers it.
    pub runner: RunnerId,
    /// Its name: 3 to 127 characters.
    pub display_name: String,
    /// What it is for: 3 to 200 characters.
    pub description: String,
    /// Its settings, by the ids of the runner's schema. Fixed at creation.
    pub configuration: Vec<Setting>,
    /// Whether new environments may use it.
    pub enabled: bool,
    /// When it was created.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// The value of one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The setting's id.
    pub key: String,
    /// Its value, as text.
    pub value: String,
}

/// A create request whose parts have not been checked yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The runner that is to offer it.
    pub runner: RunnerId,
    /// As sent.
    pub display_name: String,
    /// As sent.
    pub description: String,
    /// As sent.
    pub configuration: Vec<Setting>,
}

/// The members of an update request; `None` is absent or null.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// A new name.
    pub display_name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// Whether new environments may use it.
    pub enabled: Option<bool>,
}

/// What a list of environment classes is narrowed to; what is empty or `None` narrows nothing.
#[derive(Clone, Debug, Default)]
pub struct ClassFilter {
    /// Of one of these runners, at most 25.
    pub runners: Vec<RunnerId>,
    /// Only enabled, or only disabled ones.
    pub enabled: Option<bool>,
    /// Of runners of one of these kinds; `None` is a kind that no runner here has.
    pub kinds: Vec<Option<RunnerKind>>,
    /// Of runners on one of these; `None` is a provider that no runner here has.
    pub providers: Vec<Option<RunnerProvider>>,
}

impl Draft {
    /// Checks everything a create request says; `reported` is the runner's schema. Before it has reported
    /// one, nobody knows which settings there are, and any are taken.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the first field that breaks a rule.
    pub fn accept(self, reported: Option<&Schema>) -> Result<Self> {
        let settings = &self.configuration;
        if settings.len() > MOST_SETTINGS {
            return refuse("configuration", "value must contain no more than 100 items");
        }
        let mut seen = BTreeSet::new();
        for (index, setting) in settings.iter().enumerate() {
            check_setting(index, setting, &mut seen, reported)?;
        }
        if let Some(field) = missing(&seen, reported).next() {
            let message = format!("value must have the setting {}", field.id);
            return Err(Error::invalid("configuration", RULE, message));
        }
        Ok(Self {
            display_name: plain_text("display_name", self.display_name, LONGEST_NAME)?,
            description: plain_text("description", self.description, LONGEST_DESCRIPTION)?,
            ..self
        })
    }
}

impl Patch {
    /// Checks the members; their lengths were checked before.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the field.
    pub fn accept(self) -> Result<Self> {
        let text = |field: &str, text: Option<String>, longest| {
            text.map(|text| plain_text(field, text, longest)).transpose()
        };
        Ok(Self {
            display_name: text("display_name", self.display_name, LONGEST_NAME)?,
            description: text("description", self.description, LONGEST_DESCRIPTION)?,
            enabled: self.enabled,
        })
    }

    /// What it makes of a class, and the members that differ, by their names on the wire.
    #[must_use]
    pub fn apply(&self, now: &EnvironmentClass) -> (EnvironmentClass, Vec<&'static str>) {
        let mut next = now.clone();
        next.display_name = self.display_name.clone().unwrap_or(next.display_name);
        next.description = self.description.clone().unwrap_or(next.description);
        next.enabled = self.enabled.unwrap_or(next.enabled);
        let changed = [
            ("display_name", next.display_name != now.display_name),
            ("description", next.description != now.description),
            ("enabled", next.enabled != now.enabled),
        ];
        let changed = changed.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect();
        (next, changed)
    }
}

fn refuse<T>(field: impl Into<String>, message: &'static str) -> Result<T> {
    Err(Error::invalid(field, RULE, message))
}

/// What is wrong with a class's settings, all of it: the setting to blame, by its key if that is one, and why.
pub(super) fn check_settings(settings: &[Setting], reported: Option<&Schema>) -> Vec<(String, String)> {
    if settings.len() > MOST_SETTINGS {
        return vec![(String::new(), "value must contain no more than 100 items".to_owned())];
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (index, setting) in settings.iter().enumerate() {
        let Err(error) = check_setting(index, setting, &mut seen, reported) else { continue };
        let key = plain_text("key", setting.key.clone(), LONGEST_KEY).unwrap_or_default();
        found.extend(error.violations().first().map(|violation| (key, violation.message.to_string())));
    }
    found.extend(missing(&seen, reported).map(|field| (field.id.clone(), "value is required".to_owned())));
    found
}

/// The settings that a schema requires and that are not among the keys.
fn missing<'s>(seen: &BTreeSet<&str>, reported: Option<&'s Schema>) -> impl Iterator<Item = &'s Field> {
    let fields = reported.map(|schema| schema.environment_classes.as_slice()).unwrap_or_default();
    fields.iter().filter(|field| field.required && !seen.contains(field.id.as_str()))
}

fn check_setting<'s>(
    index: usize,
    setting: &'s Setting,
    seen: &mut BTreeSet<&'s str>,
    reported: Option<&Schema>,
) -> Result<()> {
    let member = |name: &str| format!("configuration[{index}].{name}");
    if setting.key.is_empty() || !seen.insert(&setting.key) {
        return refuse(member("key"), "value must be set and unique");
    }
    plain_text(&member("key"), setting.key.clone(), LONGEST_KEY)?;
    plain_text(&member("value"), setting.value.clone(), LONGEST_VALUE)?;
    let Some(schema) = reported else { return Ok(()) };
    let known = schema.environment_classes.iter().find(|field| field.id == setting.key);
    let Some(field) = known else {
        return refuse(member("key"), "value must be a setting of the runner's schema");
    };
    check_value(member("value"), &field.kind, &setting.value)
}

/// Whether a text is a value of a setting. Patterns are the runner's own to match.
fn check_value(field: String, kind: &FieldKind, value: &str) -> Result<()> {
    match kind {
        FieldKind::Text { .. } => Ok(()),
        FieldKind::Bool { .. } if matches!(value, "true" | "false") => Ok(()),
        FieldKind::Bool { .. } => refuse(field, "value must be true or false"),
        FieldKind::Int { min, max, .. } => {
            let Ok(number) = value.parse::<i32>() else {
                return refuse(field, "value must be a whole number");
            };
            if (*min, *max) != (0, 0) && !(*min..=*max).contains(&number) {
                let message = format!("value must be from {min} to {max}");
                return Err(Error::invalid(field, RULE, message));
            }
            Ok(())
        }
        FieldKind::Enum { choices, .. } if choices.iter().any(|choice| choice.title == value) => Ok(()),
        FieldKind::Enum { .. } => refuse(field, "value must be one of the setting's possible values"),
        FieldKind::Display { .. } => refuse(field, "value must not be set: this setting is only shown"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::schema::Choice;

    fn draft(settings: &[(&str, &str)]) -> Draft {
        Draft {
            runner: RunnerId(Uuid::nil()),
            display_name: "Large".into(),
            description: "Eight cores".into(),
            configuration: settings
                .iter()
                .map(|(key, value)| Setting { key: (*key).into(), value: (*value).into() })
                .collect(),
        }
    }

    fn schema() -> Schema {
        let field = |id: &str, required, kind| Field {
            id: id.into(),
            name: id.into(),
            description: String::new(),
            required,
            secret: false,
            kind,
        };
        let choice = |title: &str| Choice { title: title.into(), ..Choice::default() };
        Schema {
            environment_classes: vec![
                field(
                    "type",
                    true,
                    FieldKind::Enum { default: None, choices: vec![choice("m6"), choice("m7")] },
                ),
                field("disk", false, FieldKind::Int { default: 80, min: 10, max: 500 }),
                field("spot", false, FieldKind::Bool { default: false }),
                field("zone", false, FieldKind::Text { default: String::new(), pattern: "^eu-".into() }),
                field("note", false, FieldKind::Display { text: "hello".into() }),
            ],
            ..Schema::default()
        }
    }

    fn blamed(settings: &[(&str, &str)], schema: Option<&Schema>) -> String {
        draft(settings).accept(schema).expect_err("a broken rule").violations()[0].field.clone()
    }

    #[test]
    fn settings_are_those_of_the_schema() {
        let schema = schema();
        draft(&[("type", "m6"), ("disk", "500"), ("spot", "true"), ("zone", "any")])
            .accept(Some(&schema))
            .expect("accepted");
        for (settings, field) in [
            (&[][..], "configuration"),
            (&[("type", "m8")][..], "configuration[0].value"),
            (&[("type", "m6"), ("disk", "501")], "configuration[1].value"),
            (&[("type", "m6"), ("disk", "many")], "configuration[1].value"),
            (&[("type", "m6"), ("spot", "yes")], "configuration[1].value"),
            (&[("type", "m6"), ("note", "x")], "configuration[1].value"),
            (&[("type", "m6"), ("cores", "8")], "configuration[1].key"),
            (&[("type", "m6"), ("type", "m7")], "configuration[1].key"),
        ] {
            assert_eq!(blamed(settings, Some(&schema)), field, "{settings:?}");
        }
    }

    #[test]
    fn a_trial_is_told_everything_that_is_wrong_with_its_settings() {
        let schema = schema();
        let found = |settings: &[(&str, &str)]| -> Vec<String> {
            let found = check_settings(&draft(settings).configuration, Some(&schema));
            found.into_iter().map(|(key, _)| key).collect()
        };
        assert!(found(&[("type", "m6"), ("disk", "10")]).is_empty());
        assert_eq!(
            found(&[("disk", "9"), ("spot", "yes"), ("cores", "8")]),
            ["disk", "spot", "cores", "type"]
        );
        assert_eq!(found(&[("type", "m6"), ("line\n", "x"), (&"x".repeat(65), "x")]), ["", ""]);
        let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(|key| (key.as_str(), "")).collect();
        assert_eq!(found(&many), [""]);
    }

    #[test]
    fn before_a_report_any_settings_are_taken_within_bounds() {
        draft(&[("anything", "goes")]).accept(None).expect("accepted");
        assert_eq!(blamed(&[("", "x")], None), "configuration[0].key");
        assert_eq!(blamed(&[("a", "line\n")], None), "configuration[0].value");
        let long = "x".repeat(1_001);
        assert_eq!(blamed(&[("a", &long)], None), "configuration[0].value");
        let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(|key| (key.as_str(), "")).collect();
        assert_eq!(blamed(&many, None), "configuration");
    }
}
