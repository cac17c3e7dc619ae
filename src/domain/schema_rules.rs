//! What a schema must keep before it is stored: a runner's report is bounded, and what it says fits together.
use std::collections::BTreeSet;

use url::Url;

use crate::{
    domain::{
        schema::{Choice, Field, FieldKind, Schema, ScmSchema},
        text::plain_text,
    },
    error::{Error, Result},
};

const RULE: &str = "sealink.schema";
/// Settings of one kind, SCMs, choices of a setting, hosts of an SCM.
const MOST_FIELDS: usize = 100;
const MOST_SCMS: usize = 50;
const MOST_CHOICES: usize = 200;
const MOST_HOSTS: usize = 25;
/// Characters of a text that people read, and of a link or a pattern.
const LONGEST_TEXT: usize = 1_000;
const LONGEST_LINK: usize = 2_048;

impl Schema {
    /// Checks a schema as a runner reports it.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the first member that is too long, not unique or
    /// does not fit the others.
    pub fn accept(self) -> Result<Self> {
        text("schema.version", &self.version, 127)?;
        fields("schema.runner_config", &self.runner)?;
        fields("schema.environment_classes", &self.environment_classes)?;
        for (index, field) in self.environment_classes.iter().enumerate() {
            if field.secret {
                let at = format!("schema.environment_classes[{index}].secret");
                return refuse(
                    at,
                    "value must be false: settings of environment classes are stored in clear",
                );
            }
        }
        most("schema.scm", self.scms.len(), MOST_SCMS)?;
        unique("schema.scm", "scm_id", self.scms.iter().map(|scm| scm.scm_id.as_str()))?;
        for (index, scm) in self.scms.iter().enumerate() {
            check_scm(&format!("schema.scm[{index}]"), scm)?;
        }
        Ok(self)
    }
}

fn refuse<T>(field: impl Into<String>, message: &'static str) -> Result<T> {
    Err(Error::invalid(field, RULE, message))
}

fn text(field: &str, text: &str, longest: usize) -> Result<()> {
    plain_text(field, text.to_owned(), longest).map(|_| ())
}

fn most(field: &str, found: usize, most: usize) -> Result<()> {
    if found > most {
        let message = format!("value must contain no more than {most} item(s)");
        return Err(Error::invalid(field, "repeated.max_items", message));
    }
    Ok(())
}

fn unique<'a>(list: &str, member: &str, ids: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (index, id) in ids.enumerate() {
        let at = format!("{list}[{index}].{member}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return refuse(at, "value must be 1 to 64 letters, digits, '.', '_' and '-'");
        }
        if !seen.insert(id) {
            return refuse(at, "value must be unique");
        }
    }
    Ok(())
}

fn link(field: String, link: &str) -> Result<()> {
    let web = || Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if link.is_empty() || link.len() <= LONGEST_LINK && web() {
        return Ok(());
    }
    refuse(field, "value must be an http or https URL")
}

fn fields(list: &str, fields: &[Field]) -> Result<()> {
    most(list, fields.len(), MOST_FIELDS)?;
    unique(list, "id", fields.iter().map(|field| field.id.as_str()))?;
    for (index, field) in fields.iter().enumerate() {
        let at = format!("{list}[{index}]");
        text(&format!("{at}.name"), &field.name, 127)?;
        // Descriptions may have lines.
        text(&format!("{at}.description"), &field.description.replace('\n', " "), LONGEST_TEXT)?;
        check_kind(&at, &field.kind)?;
    }
    Ok(())
}

fn check_kind(at: &str, kind: &FieldKind) -> Result<()> {
    match kind {
        FieldKind::Display { text: shown } => text(&format!("{at}.display.default"), shown, LONGEST_TEXT),
        FieldKind::Text { default, pattern } => {
            text(&format!("{at}.string.default"), default, LONGEST_TEXT)?;
            text(&format!("{at}.string.pattern"), pattern, LONGEST_LINK)
        }
        FieldKind::Int { min, max, .. } if min > max => {
            refuse(format!("{at}.int.min"), "value must be at most max")
        }
        FieldKind::Int { default, min, max } if (*min, *max) != (0, 0) && !(min..=max).contains(&default) => {
            refuse(format!("{at}.int.default"), "value must be from min to max")
        }
        FieldKind::Bool { .. } | FieldKind::Int { .. } => Ok(()),
        FieldKind::Enum { default, choices } => {
            check_choices(&format!("{at}.enum"), default.as_ref(), choices)
        }
    }
}

fn check_choices(at: &str, default: Option<&Choice>, choices: &[Choice]) -> Result<()> {
    most(&format!("{at}.possible_values"), choices.len(), MOST_CHOICES)?;
    let mut titles = BTreeSet::new();
    for (index, choice) in choices.iter().enumerate() {
        let at = format!("{at}.possible_values[{index}]");
        for (member, value) in
            [("title", &choice.title), ("subtitle", &choice.subtitle), ("detail", &choice.detail)]
        {
            text(&format!("{at}.{member}"), value, LONGEST_TEXT)?;
        }
        if choice.title.is_empty() || !titles.insert(&choice.title) {
            return refuse(format!("{at}.title"), "value must be set and unique");
        }
    }
    if default.is_some_and(|default| !titles.contains(&default.title)) {
        return refuse(format!("{at}.default_value"), "value must be one of the possible values");
    }
    Ok(())
}

fn check_scm(at: &str, scm: &ScmSchema) -> Result<()> {
    text(&format!("{at}.name"), &scm.name, 127)?;
    most(&format!("{at}.default_hosts"), scm.default_hosts.len(), MOST_HOSTS)?;
    for (index, host) in scm.default_hosts.iter().enumerate() {
        let plain = host.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.len() > 300 || !plain || host.contains("://") {
            return refuse(format!("{at}.default_hosts[{index}]"), "value must be a host without a scheme");
        }
    }
    if let Some(callback) = &scm.oauth {
        link(format!("{at}.oauth.callback_url"), callback)?;
    }
    if let Some(help) = &scm.pat {
        text(&format!("{at}.pat.description"), &help.description.replace('\n', " "), LONGEST_TEXT)?;
        link(format!("{at}.pat.docs_link"), &help.docs_link)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: &str, kind: FieldKind) -> Field {
        let (id, name) = (id.to_owned(), "A setting".to_owned());
        Field { id, name, description: "line\nline".to_owned(), required: false, secret: false, kind }
    }

    fn int(default: i32, min: i32, max: i32) -> FieldKind {
        FieldKind::Int { default, min, max }
    }

    fn choices(default: Option<&str>, titles: &[&str]) -> FieldKind {
        let choice = |title: &str| Choice { title: title.to_owned(), ..Choice::default() };
        FieldKind::Enum {
            default: default.map(choice),
            choices: titles.iter().map(|title| choice(title)).collect(),
        }
    }

    fn blamed(schema: Schema) -> String {
        schema.accept().expect_err("a broken rule").violations()[0].field.clone()
    }

    #[test]
    fn what_fits_together_is_accepted() {
        let fields = vec![
            field("a", int(3, 1, 5)),
            field("b", int(9, 0, 0)),
            field("c", choices(Some("x"), &["x", "y"])),
            field("d", choices(None, &[])),
        ];
        let schema = Schema { runner: fields.clone(), environment_classes: fields, ..Schema::default() };
        assert_eq!(schema.clone().accept().expect("accepted"), schema);
    }

    #[test]
    fn what_does_not_is_named() {
        for (kind, member) in [
            (int(0, 1, 5), "int.default"),
            (int(0, 5, 1), "int.min"),
            (choices(Some("z"), &["x"]), "enum.default_value"),
            (choices(None, &["x", "x"]), "enum.possible_values[1].title"),
            (choices(None, &[""]), "enum.possible_values[0].title"),
            (FieldKind::Display { text: "\u{7}".to_owned() }, "display.default"),
            (
                FieldKind::Text { default: "x".repeat(LONGEST_TEXT + 1), pattern: String::new() },
                "string.default",
            ),
        ] {
            let schema = Schema { runner: vec![field("a", kind)], ..Schema::default() };
            assert_eq!(blamed(schema), format!("schema.runner_config[0].{member}"));
        }
        let bool = || FieldKind::Bool { default: true };
        let twice = vec![field("a", bool()), field("a", bool())];
        assert_eq!(blamed(Schema { runner: twice, ..Schema::default() }), "schema.runner_config[1].id");
        let odd = vec![field("a b", bool())];
        assert_eq!(blamed(Schema { runner: odd, ..Schema::default() }), "schema.runner_config[0].id");
        let secret = vec![Field { secret: true, ..field("a", bool()) }];
        let schema = Schema { environment_classes: secret.clone(), ..Schema::default() };
        assert_eq!(blamed(schema), "schema.environment_classes[0].secret");
        assert!(Schema { runner: secret, ..Schema::default() }.accept().is_ok());
    }

    #[test]
    fn scms_are_bounded_and_link_to_the_web() {
        let good = Schema::before_any_report().scms[0].clone();
        let with = |change: &dyn Fn(&mut ScmSchema)| {
            let mut scm = good.clone();
            change(&mut scm);
            blamed(Schema { scms: vec![scm], ..Schema::default() })
        };
        assert_eq!(with(&|scm| scm.scm_id = "../x".into()), "schema.scm[0].scm_id");
        assert_eq!(
            with(&|scm| scm.oauth = Some("javascript:alert(1)".into())),
            "schema.scm[0].oauth.callback_url"
        );
        assert_eq!(
            with(&|scm| scm.default_hosts = vec!["https://github.com".into()]),
            "schema.scm[0].default_hosts[0]"
        );
        let many = vec![good.clone(); MOST_SCMS + 1];
        assert_eq!(blamed(Schema { scms: many, ..Schema::default() }), "schema.scm");
    }
}
