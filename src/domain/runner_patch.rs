//! What an update of a runner means: absent leaves, everything else sets.
use zeroize::Zeroizing;

use crate::{
    domain::{
        runner::{Configuration, LogLevel, Metrics, ReleaseChannel, Runner},
        secret::Secret,
        update_window::UpdateWindow,
    },
    error::Result,
};

/// The members of an update request; `None` is absent or null.
#[derive(Debug, Default)]
pub struct RunnerPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new release channel.
    pub release_channel: Option<ReleaseChannel>,
    /// Whether to update by itself.
    pub auto_update: Option<bool>,
    /// A new log level.
    pub log_level: Option<LogLevel>,
    /// Whether to cache dev container images.
    pub devcontainer_image_cache: Option<bool>,
    /// Whether to profile all the time.
    pub continuous_profiling: Option<bool>,
    /// A new window; `Some(None)` removes it.
    pub update_window: Option<Option<UpdateWindow>>,
    /// New members of the metrics settings.
    pub metrics: MetricsPatch,
    /// A new Honeycomb API key, to be sealed to the runner; `""` removes it.
    pub honeycomb_key: Option<Zeroizing<String>>,
}

/// The metrics members of an update request.
#[derive(Debug, Default)]
pub struct MetricsPatch {
    /// As [`Metrics::enabled`].
    pub enabled: Option<bool>,
    /// As [`Metrics::url`].
    pub url: Option<String>,
    /// As [`Metrics::username`].
    pub username: Option<String>,
    /// A new password, to be sealed at rest; `""` removes it.
    pub password: Option<Zeroizing<String>>,
    /// As [`Metrics::managed`].
    pub managed: Option<bool>,
    /// As [`Metrics::verbose`].
    pub verbose: Option<bool>,
}

/// What a patch does to a secret.
#[derive(Debug)]
pub enum SecretPatch {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(Secret),
}

impl SecretPatch {
    /// Reads a secret member: absent keeps, empty removes, anything else must be a valid secret.
    ///
    /// # Errors
    /// As [`Secret::parse`].
    pub fn parse(field: &str, value: Option<Zeroizing<String>>) -> Result<Self> {
        match value {
            None => Ok(Self::Keep),
            Some(text) if text.is_empty() => Ok(Self::Remove),
            Some(mut text) => Secret::parse(field, std::mem::take(&mut *text)).map(Self::Set),
        }
    }
}

impl RunnerPatch {
    /// The name and settings `current` has afterwards. Secrets are the caller's to apply.
    #[must_use]
    pub fn apply(&self, current: &Runner) -> (String, Configuration) {
        let now = &current.configuration;
        let configuration = Configuration {
            region: now.region.clone(),
            variant: now.variant,
            release_channel: self.release_channel.unwrap_or(now.release_channel),
            auto_update: self.auto_update.unwrap_or(now.auto_update),
            log_level: self.log_level.unwrap_or(now.log_level),
            devcontainer_image_cache: self.devcontainer_image_cache.unwrap_or(now.devcontainer_image_cache),
            continuous_profiling: self.continuous_profiling.unwrap_or(now.continuous_profiling),
            update_window: self.update_window.unwrap_or(now.update_window),
            metrics: self.metrics.apply(&now.metrics),
        };
        (self.name.clone().unwrap_or_else(|| current.name.clone()), configuration)
    }
}

impl MetricsPatch {
    fn apply(&self, now: &Metrics) -> Metrics {
        Metrics {
            enabled: self.enabled.unwrap_or(now.enabled),
            url: self.url.clone().unwrap_or_else(|| now.url.clone()),
            username: self.username.clone().unwrap_or_else(|| now.username.clone()),
            managed: self.managed.unwrap_or(now.managed),
            verbose: self.verbose.unwrap_or(now.verbose),
        }
    }
}
