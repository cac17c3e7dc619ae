//! A configuration that is only tried out: what is wrong with it is a finding, not an error.
use crate::{
    domain::{
        allowed_origins::AllowedOrigins,
        environment_class::{Setting, check_settings},
        host::Host,
        id::RunnerId,
        integration::{Draft, NewIntegration, parse_directory},
        schema::Schema,
        scm::Scm,
        secret::Plaintext,
    },
    error::{Error, Result, Violation},
};

/// Stands for a secret that is stored, where the rules ask only whether there is one.
const STORED: &str = "stored";

/// An integration to be tried out.
#[derive(Debug)]
pub struct Trial {
    /// The integration's id, if it exists already; as sent.
    pub id: String,
    /// As sent.
    pub scm_id: String,
    /// As sent.
    pub host: String,
    /// As sent; `None` if absent.
    pub client_id: Option<String>,
    /// The client secret.
    pub secret: TrialSecret,
    /// Whether personal access tokens are to be allowed.
    pub pat: bool,
    /// As sent; `None` or empty if there is none.
    pub issuer_url: Option<String>,
    /// As sent; `None` or empty if there is none.
    pub virtual_directory: Option<String>,
}

/// The client secret of a trial.
#[derive(Debug)]
pub enum TrialSecret {
    /// There is none.
    None,
    /// In clear; sealed for this one call.
    Plain(Plaintext),
    /// The stored ciphertext, as a read returned it.
    Stored(Vec<u8>),
}

/// What is wrong with an integration, by the setting to blame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The SCM id.
    pub scm_id: Option<String>,
    /// The host, or the virtual directory.
    pub host: Option<String>,
    /// Client id, client secret or issuer.
    pub oauth: Option<String>,
    /// Personal access tokens.
    pub pat: Option<String>,
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a runner's schema has against an integration that keeps the rules.
    #[must_use]
    pub fn of_schema(new: &NewIntegration, reported: &Schema) -> Self {
        let Some(offered) = reported.scm(new.scm) else {
            let message = "value must be an SCM of the schema that the runner reported";
            return Self { scm_id: Some(message.to_owned()), ..Self::default() };
        };
        let unless = |offered: bool, message: &str| (!offered).then(|| message.to_owned());
        Self {
            oauth: unless(
                offered.oauth.is_some() || new.oauth.is_none(),
                "value must not be set: the runner offers no OAuth for this SCM",
            ),
            pat: unless(
                offered.pat.is_some() || !new.pat,
                "value must be false: the runner takes no personal access tokens for this SCM",
            ),
            ..Self::default()
        }
    }

    fn blame(&mut self, violation: &Violation) {
        let place = match violation.field.as_str() {
            "scm_id" => &mut self.scm_id,
            "host" | "virtual_directory" => &mut self.host,
            "pat" => &mut self.pat,
            _ => &mut self.oauth,
        };
        place.get_or_insert_with(|| violation.message.to_string());
    }

    fn blame_all(&mut self, error: &Error) {
        error.violations().iter().for_each(|violation| self.blame(violation));
    }
}

/// A trial after the rules: what keeps them all, or what is wrong.
pub type Tried = std::result::Result<NewIntegration, Findings>;

impl Trial {
    /// Checks everything that can be checked without asking anybody.
    ///
    /// # Errors
    /// The findings; the secret is gone then.
    pub fn check(self, runner: RunnerId, allowed: &AllowedOrigins) -> Tried {
        let mut findings = Findings::default();
        let scm = Scm::parse(&self.scm_id);
        let with_organization = scm.as_ref().is_ok_and(|scm| scm.host_has_organization());
        let host = Host::parse(self.host.clone(), with_organization, allowed);
        for error in [scm.as_ref().err(), host.as_ref().err()].into_iter().flatten() {
            findings.blame_all(error);
        }
        if let Ok(scm) = &scm {
            let directory = self.virtual_directory.clone().filter(|directory| !directory.is_empty());
            parse_directory(*scm, directory).err().iter().for_each(|error| findings.blame_all(error));
        }
        let known = scm.is_ok();
        let draft = Draft {
            runner,
            scm_id: self.scm_id,
            host: if host.is_ok() { self.host } else { "placeholder.example.com".to_owned() },
            client_id: self.client_id,
            client_secret: match self.secret {
                TrialSecret::None => None,
                TrialSecret::Plain(secret) => Some(secret),
                TrialSecret::Stored(_) => Some(Plaintext::new(STORED.to_owned())),
            },
            pat: self.pat,
            issuer_url: self.issuer_url,
            virtual_directory: self.virtual_directory,
        };
        match draft.accept(allowed) {
            Ok(new) if findings.is_empty() => Ok(new),
            Ok(_) => Err(findings),
            Err(error) => {
                if known {
                    findings.blame_all(&error);
                }
                Err(findings)
            }
        }
    }
}

/// An environment class to be tried out.
#[derive(Clone, Debug)]
pub struct ClassTrial {
    /// As sent.
    pub display_name: String,
    /// As sent.
    pub description: String,
    /// As sent.
    pub configuration: Vec<Setting>,
}

/// What is wrong with an environment class, by the setting to blame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassFindings {
    /// The name.
    pub display_name: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// Settings: their keys, as sent or as the schema requires them, and what is wrong with each.
    pub configuration: Vec<(String, String)>,
}

impl ClassFindings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ClassTrial {
    /// What is wrong with it before a runner is asked; `reported` is the runner's schema.
    #[must_use]
    pub fn check(&self, reported: Option<&Schema>) -> ClassFindings {
        let length = |text: &str, most: usize| {
            let wrong = !(3..=most).contains(&text.chars().count());
            wrong.then(|| format!("value length must be 3 to {most} characters"))
        };
        ClassFindings {
            display_name: length(&self.display_name, 127),
            description: length(&self.description, 200),
            configuration: check_settings(&self.configuration, reported),
        }
    }
}

/// The members of a stored integration that its ciphertext is bound to.
///
/// # Errors
/// [`Kind::Precondition`](crate::error::Kind::Precondition) if a trial with the stored ciphertext differs in any.
pub fn require_as_stored(same: bool) -> Result<()> {
    if same {
        return Ok(());
    }
    Err(Error::new(
        crate::error::Kind::Precondition,
        "a stored client secret can be tried only with the id, host, issuer_url and oauth_client_id it is stored with",
    ))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn trial() -> Trial {
        Trial {
            id: String::new(),
            scm_id: "github".into(),
            host: "github.com".into(),
            client_id: Some("id".into()),
            secret: TrialSecret::Plain(Plaintext::new("secret".into())),
            pat: false,
            issuer_url: None,
            virtual_directory: None,
        }
    }

    fn findings(trial: Trial) -> Findings {
        trial.check(RunnerId(Uuid::nil()), &AllowedOrigins::default()).err().unwrap_or_default()
    }

    #[test]
    fn every_setting_is_blamed_in_its_place() {
        assert_eq!(findings(trial()), Findings::default());
        let wrong = findings(Trial { scm_id: "cvs".into(), host: "127.0.0.1".into(), ..trial() });
        assert!(wrong.scm_id.is_some() && wrong.host.is_some() && wrong.oauth.is_none(), "{wrong:?}");
        let wrong = findings(Trial { host: "https://x".into(), secret: TrialSecret::None, ..trial() });
        assert!(wrong.host.is_some() && wrong.oauth.is_some() && wrong.scm_id.is_none(), "{wrong:?}");
        let wrong = findings(Trial { issuer_url: Some("https://issuer.example.com".into()), ..trial() });
        assert!(wrong.oauth.is_some() && wrong.host.is_none(), "{wrong:?}");
        let wrong = findings(Trial { virtual_directory: Some("/tfs".into()), ..trial() });
        assert!(wrong.host.is_some() && wrong.oauth.is_none(), "{wrong:?}");
        let both = Trial { scm_id: "azuredevops_server".into(), host: "ado.example.com".into(), ..trial() };
        let wrong = findings(both);
        assert!(wrong.host.is_some() && wrong.oauth.is_some(), "no directory, and OAuth: {wrong:?}");
        let wrong = findings(Trial { client_id: None, secret: TrialSecret::None, ..trial() });
        assert!(wrong.oauth.is_some(), "{wrong:?}");
    }

    #[test]
    fn a_schema_offers_each_way_to_sign_in_by_itself() {
        let new = |pat| {
            let trial = Trial { pat, ..trial() };
            trial.check(RunnerId(Uuid::nil()), &AllowedOrigins::default()).expect("by the rules")
        };
        let mut schema = Schema::before_any_report();
        assert!(Findings::of_schema(&new(true), &schema).is_empty());
        schema.scms[0].pat = None;
        let found = Findings::of_schema(&new(true), &schema);
        assert!(found.pat.is_some() && found.oauth.is_none(), "{found:?}");
        assert!(Findings::of_schema(&new(false), &schema).is_empty());
        schema.scms[0].oauth = None;
        assert!(Findings::of_schema(&new(false), &schema).oauth.is_some());
        schema.scms.clear();
        assert!(Findings::of_schema(&new(true), &schema).scm_id.is_some());
    }

    #[test]
    fn classes_have_names_and_descriptions() {
        let found = |display_name: &str, description: &str| {
            let (display_name, description) = (display_name.to_owned(), description.to_owned());
            ClassTrial { display_name, description, configuration: Vec::new() }.check(None)
        };
        assert!(found("abc", "abc").is_empty());
        let long = "x".repeat(201);
        assert!(found("ab", &long).display_name.is_some());
        let wrong = found("abc", &long);
        assert!(wrong.description.is_some() && wrong.display_name.is_none(), "{wrong:?}");
    }
}
