//! What an update of a runner means: absent leaves, everything else sets.
use crate::domain::{
    runner::{Configuration, LogLevel, Metrics, ReleaseChannel, Runner},
    secret::SecretPatch,
    update_window::UpdateWindow,
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
    /// What becomes of the Honeycomb API key, which is sealed to the runner.
    pub honeycomb_key: SecretPatch,
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
    /// What becomes of the password, which is sealed at rest.
    pub password: SecretPatch,
    /// As [`Metrics::managed`].
    pub managed: Option<bool>,
    /// As [`Metrics::verbose`].
    pub verbose: Option<bool>,
}

/// What a runner is to become. Its secrets are the caller's to apply.
#[derive(Debug)]
pub struct RunnerPlan {
    /// Its name afterwards.
    pub name: String,
    /// Its settings afterwards.
    pub configuration: Configuration,
    /// The members that differ, by their names on the wire.
    pub changed: Vec<&'static str>,
}

impl RunnerPatch {
    /// Decides what `current` becomes.
    #[must_use]
    pub fn plan(&self, current: &Runner) -> RunnerPlan {
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
        let name = self.name.clone().unwrap_or_else(|| current.name.clone());
        let mut changed = now.differences(&configuration);
        if name != current.name {
            changed.push("name");
        }
        RunnerPlan { name, configuration, changed }
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
