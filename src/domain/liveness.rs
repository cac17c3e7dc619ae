//! What a runner's agents say of it, and whether they live.
use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::{
    clock::Instant,
    domain::{secret::Kid, stored_secret::SecretEntry},
    error::{Error, Result},
};

/// When an agent's next heartbeat is due.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long an agent counts after its last sign of life.
pub const GRACE: Duration = Duration::from_secs(90);
/// How many keys of additional information are kept.
const MOST_INFO: usize = 50;
const LONGEST_KEY: usize = 100;
const LONGEST_VALUE: usize = 1_000;

/// What the agents of a runner last reported of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The agents' version.
    pub version: String,
    /// Machine and operating system.
    pub system_details: String,
    /// Where they run.
    pub region: String,
    /// Where they serve language models.
    pub llm_url: String,
    /// Whatever else, by key.
    pub additional_info: BTreeMap<String, String>,
    /// What they can do: the public API's numbers, in order.
    pub capabilities: Vec<i32>,
}

/// A change of a [`Report`]: what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct ReportPatch {
    /// As [`Report::version`].
    pub version: Option<String>,
    /// As [`Report::system_details`].
    pub system_details: Option<String>,
    /// As [`Report::region`].
    pub region: Option<String>,
    /// As [`Report::llm_url`].
    pub llm_url: Option<String>,
    /// Put by key; `None` removes.
    pub additional_info: Vec<(String, Option<String>)>,
    /// As [`Report::capabilities`].
    pub capabilities: Option<Vec<i32>>,
}

impl ReportPatch {
    /// The report with the changes in it.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for keys or values that are too long, or too many keys, and for
    /// an address that is none.
    pub fn apply(&self, report: Report) -> Result<Report> {
        let keep = |new: &Option<String>, old: String| new.clone().unwrap_or(old);
        let mut info = report.additional_info;
        for (key, value) in &self.additional_info {
            if key.is_empty() || key.len() > LONGEST_KEY {
                return refuse("keys must have 1 to 100 bytes");
            }
            match value.as_ref().filter(|value| !value.is_empty()) {
                Some(value) if value.len() > LONGEST_VALUE => {
                    return refuse("values must have at most 1000 bytes");
                }
                Some(value) => drop(info.insert(key.clone(), value.clone())),
                None => drop(info.remove(key)),
            }
        }
        if info.len() > MOST_INFO {
            return refuse("there must be at most 50 keys");
        }
        if self.llm_url.as_ref().is_some_and(|text| !text.is_empty() && !is_web(text)) {
            let message = "value must be an http or https URL without a user";
            return Err(Error::invalid("llm_url", "sealink.llm_url", message));
        }
        Ok(Report {
            version: keep(&self.version, report.version),
            system_details: keep(&self.system_details, report.system_details),
            region: keep(&self.region, report.region),
            llm_url: keep(&self.llm_url, report.llm_url),
            additional_info: info,
            capabilities: self.capabilities.clone().unwrap_or(report.capabilities),
        })
    }
}

/// Clients may show it as a link: nothing but a web address.
fn is_web(text: &str) -> bool {
    let web = |url: Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty();
    Url::parse(text).is_ok_and(web)
}

fn refuse<T>(message: &'static str) -> Result<T> {
    Err(Error::invalid("additional_info", "sealink.additional_info", message))
}

/// What is known of a runner's agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// When one of them last lived and took calls.
    pub alive_at: Option<Instant>,
    /// When one of them last lived with something wrong.
    pub degraded_at: Option<Instant>,
    /// What was wrong with it.
    pub message: String,
    /// What they reported.
    pub report: Report,
    /// When any of this last changed.
    pub updated_at: Option<Instant>,
}

impl Liveness {
    /// Whether an agent lives and takes calls at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Instant) -> bool {
        within_grace(self.alive_at, now)
    }

    /// What is wrong with a living agent at `now`; empty if nothing is.
    #[must_use]
    pub fn degradation(&self, now: Instant) -> &str {
        if within_grace(self.degraded_at, now) { &self.message } else { "" }
    }
}

fn within_grace(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at.plus(GRACE) > now)
}

/// Why an agent cannot use a sealed secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecretFault {
    /// It is sealed for another place than the one it stands in.
    Rejected,
    /// It does not open.
    Undecryptable,
}

/// What an agent says of one sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReport {
    /// The object it belongs to.
    pub object: Uuid,
    /// Which secret of that object, by its name in the sealed format.
    pub field: String,
    /// The name of an LLM header, else empty.
    pub name: String,
    /// The key it is sealed with.
    pub kid: Kid,
    /// The object's version; 0 if the agent does not know it.
    pub version: u64,
    /// `None`: the agent can use it.
    pub fault: Option<SecretFault>,
}

impl SecretReport {
    /// Whether it is about this secret as it is now, not about an earlier one in its place.
    #[must_use]
    pub fn is_about(&self, entry: &SecretEntry) -> bool {
        self.object == entry.sub
            && self.field == entry.field.wire_name()
            && self.name == entry.name
            && entry.kid.as_ref() == Some(&self.kid)
            && (self.version == 0 || self.version == entry.object_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret_field::SecretField;

    #[test]
    fn a_patch_changes_what_it_names() {
        let patch = |pairs: &[(&str, Option<&str>)]| ReportPatch {
            additional_info: pairs.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect(),
            ..ReportPatch::default()
        };
        let first = ReportPatch { version: Some("1".into()), ..patch(&[("a", Some("1")), ("b", Some("2"))]) };
        let report = first.apply(Report::default()).unwrap();
        let report = patch(&[("a", Some("")), ("c", Some("3"))]).apply(report).unwrap();
        assert_eq!(report.version, "1");
        assert_eq!(report.additional_info.into_iter().map(|(k, v)| k + &v).collect::<String>(), "b2c3");
        let many: Vec<_> = (0..51).map(|n| (n.to_string(), Some("x".to_owned()))).collect();
        let many = ReportPatch { additional_info: many, ..ReportPatch::default() };
        assert!(many.apply(Report::default()).is_err());
        assert!(patch(&[("", Some("x"))]).apply(Report::default()).is_err());
        for (url, fits) in [
            ("https://llm.example.com/v1", true),
            ("http://10.0.0.1:8080", true),
            ("", true),
            ("javascript:alert(1)", false),
            ("https://user@llm.example.com", false),
            ("//llm.example.com", false),
            ("text", false),
        ] {
            let patch = ReportPatch { llm_url: Some(url.into()), ..ReportPatch::default() };
            assert_eq!(patch.apply(Report::default()).is_ok(), fits, "{url}");
        }
    }

    #[test]
    fn a_report_is_about_one_ciphertext() {
        let (object, kid) = (Uuid::from_u128(1), Kid("k".into()));
        let entry = SecretEntry {
            order: object,
            sub: object,
            field: SecretField::LlmHeader,
            name: "x-team".into(),
            version: 3,
            object_version: 7,
            kid: Some(kid.clone()),
        };
        let report = SecretReport {
            object,
            field: "llm.header".into(),
            name: "x-team".into(),
            kid,
            version: 7,
            fault: Some(SecretFault::Rejected),
        };
        assert!(report.is_about(&entry));
        assert!(SecretReport { version: 0, ..report.clone() }.is_about(&entry));
        for other in [
            SecretReport { object: Uuid::from_u128(2), ..report.clone() },
            SecretReport { field: "llm.api_key".into(), ..report.clone() },
            SecretReport { name: "x-other".into(), ..report.clone() },
            SecretReport { kid: Kid("old".into()), ..report.clone() },
            SecretReport { version: 6, ..report.clone() },
        ] {
            assert!(!other.is_about(&entry), "{other:?}");
        }
        assert!(!report.is_about(&SecretEntry { kid: None, ..entry }));
    }

    #[test]
    fn silence_ends_life_after_the_grace() {
        let at = Instant(0);
        let liveness = Liveness { alive_at: Some(at), ..Liveness::default() };
        assert!(liveness.is_alive(Instant(89_999_999)) && !liveness.is_alive(Instant(90_000_000)));
        assert!(!Liveness::default().is_alive(at));
    }
}
