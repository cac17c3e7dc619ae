//! What is known of a secret that is sealed to a runner.
use crate::domain::{
    integration::Integration,
    liveness::{SecretFault, SecretReport},
    runner::Runner,
    secret::Kid,
    stored_secret::SecretEntry,
};

/// Whether the runner can use a sealed secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// There is none: OAuth is off.
    None,
    /// Sealed with the ACTIVE key.
    Ok,
    /// Sealed with a key that is being replaced.
    StaleKey,
    /// Wiped with its key; to be entered again.
    Missing,
    /// An agent found it sealed for another place than the one it stands in.
    Rejected,
    /// An agent could not open it.
    Undecryptable,
}

impl SecretState {
    /// The state of one integration's secret.
    #[must_use]
    pub fn of(integration: &Integration, runner: &Runner) -> Self {
        let Some(oauth) = &integration.oauth else { return Self::None };
        Self::of_kid(oauth.secret.as_ref().map(|secret| &secret.kid), runner)
    }

    /// The state of a secret that is sealed with this key.
    #[must_use]
    pub fn of_kid(kid: Option<&Kid>, runner: &Runner) -> Self {
        match kid {
            None => Self::Missing,
            Some(kid) if runner.active_key.as_ref().is_some_and(|key| key.kid == *kid) => Self::Ok,
            Some(_) => Self::StaleKey,
        }
    }

    /// The state of a secret of which the runner's agents have reported what is in `reports`. One that was entered
    /// again since is another.
    #[must_use]
    pub fn of_entry(entry: &SecretEntry, runner: &Runner, reports: &[SecretReport]) -> Self {
        match reports.iter().find(|report| report.is_about(entry)).and_then(|report| report.fault) {
            Some(SecretFault::Rejected) => Self::Rejected,
            Some(SecretFault::Undecryptable) => Self::Undecryptable,
            None => Self::of_kid(entry.kid.as_ref(), runner),
        }
    }
}
