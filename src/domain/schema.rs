//! What a runner can be configured with, as the runner itself says.
use serde::{Deserialize, Serialize};

use crate::domain::scm::Scm;

/// A runner's schema. One that was stored has passed [`Schema::accept`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schema {
    /// The runner's own name for this state of its schema.
    pub version: String,
    /// Settings of the runner.
    pub runner: Vec<Field>,
    /// Settings of an environment class.
    pub environment_classes: Vec<Field>,
    /// The SCMs that integrations may name.
    pub scms: Vec<ScmSchema>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What settings name it by.
    pub id: String,
    /// What people know it by.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether a value must be given.
    pub required: bool,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// What values it takes.
    pub kind: FieldKind,
}

/// What values a setting takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldKind {
    /// A text.
    Text {
        /// The value if none is given.
        default: String,
        /// A regular expression that the runner matches it with.
        pattern: String,
    },
    /// `true` or `false`.
    Bool {
        /// The value if none is given.
        default: bool,
    },
    /// A whole number.
    Int {
        /// The value if none is given.
        default: i32,
        /// The smallest; no limits if `max` is 0 too.
        min: i32,
        /// The largest.
        max: i32,
    },
    /// The title of one of several choices.
    Enum {
        /// The choice if none is made.
        default: Option<Choice>,
        /// All of them.
        choices: Vec<Choice>,
    },
    /// Nothing: it is shown and cannot be set.
    Display {
        /// What is shown.
        text: String,
    },
}

/// One value of an [`FieldKind::Enum`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The value itself.
    pub title: String,
    /// More to show.
    pub subtitle: String,
    /// Even more to show.
    pub detail: String,
}

/// One SCM that a runner can be configured for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScmSchema {
    /// What integrations name it by.
    pub scm_id: String,
    /// What people know it by.
    pub name: String,
    /// Hosts to offer.
    pub default_hosts: Vec<String>,
    /// Present if users can sign in by OAuth: the callback URL to register at the forge; empty if unknown.
    pub oauth: Option<String>,
    /// Present if users can bring personal access tokens.
    pub pat: Option<TokenHelp>,
}

/// How to make a personal access token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenHelp {
    /// What it must allow.
    pub description: String,
    /// Where that is explained.
    pub docs_link: String,
}

/// The ids of the SCMs in a reported schema, as `,github,gitlab,`: small enough to stand beside the runner.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct OfferedScms(String);

impl OfferedScms {
    /// Whether an SCM is among them.
    #[must_use]
    pub fn contains(&self, scm: Scm) -> bool {
        self.0.split(',').any(|id| id == scm.id())
    }
}

impl Schema {
    /// What is in force before a runner has reported a schema: every SCM known here, no settings.
    #[must_use]
    pub fn before_any_report() -> Self {
        let scms = Scm::ALL.map(|scm| ScmSchema {
            scm_id: scm.id().to_owned(),
            name: scm.name().to_owned(),
            default_hosts: scm.default_host().map(str::to_owned).into_iter().collect(),
            oauth: scm.supports_oauth().then(String::new),
            pat: Some(TokenHelp {
                description: scm.token_scopes().to_owned(),
                docs_link: scm.token_docs().to_owned(),
            }),
        });
        Self { scms: scms.into(), ..Self::default() }
    }

    /// One of its SCMs.
    #[must_use]
    pub fn scm(&self, scm: Scm) -> Option<&ScmSchema> {
        self.scms.iter().find(|one| one.scm_id == scm.id())
    }

    /// The ids of its SCMs.
    #[must_use]
    pub fn offered(&self) -> OfferedScms {
        let ids: Vec<_> = self.scms.iter().map(|scm| scm.scm_id.as_str()).collect();
        OfferedScms(format!(",{},", ids.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_offers_every_scm_and_keeps_its_own_rules() {
        let schema = Schema::before_any_report().accept().expect("a schema that could be reported");
        assert_eq!(schema.scms.len(), Scm::ALL.len());
        for scm in Scm::ALL {
            assert!(schema.offered().contains(scm), "{}", scm.id());
        }
        let one = Schema { scms: vec![schema.scms[0].clone()], ..Schema::default() };
        assert!(one.offered().contains(Scm::GitHub) && !one.offered().contains(Scm::GitLab));
        let server = schema.scms.iter().find(|scm| scm.scm_id == "azuredevops_server").expect("there");
        assert!(server.oauth.is_none() && server.pat.is_some());
    }
}
