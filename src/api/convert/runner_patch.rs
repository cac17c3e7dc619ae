//! Updates of runners.
use super::runner::{CONFIGURATION, log_level, release_channel};
use crate::{
    domain::{
        runner_patch::{MetricsPatch, RunnerPatch},
        secret::{Plaintext, SecretPatch},
        text::plain_text,
        update_window::UpdateWindow,
    },
    error::{Error, Result},
    pb::gitpod::v1::{UpdateRunnerRequest, update_runner_request as pb},
};

impl TryFrom<UpdateRunnerRequest> for RunnerPatch {
    type Error = Error;

    fn try_from(request: UpdateRunnerRequest) -> Result<Self> {
        let UpdateRunnerRequest { runner_id: _, name, spec } = request;
        let pb::Spec { configuration, desired_phase } = spec.unwrap_or_default();
        if desired_phase.is_some() {
            let message = "value must not be set: only a LOCAL_CONFIGURATION runner has one";
            return Err(Error::invalid("spec.desired_phase", "sealink.runner", message));
        }
        let pb::RunnerConfiguration {
            release_channel: channel,
            auto_update,
            metrics,
            log_level: level,
            devcontainer_image_cache_enabled,
            update_window,
            honeycomb_api_key,
            continuous_profiling,
        } = configuration.unwrap_or_default();
        let field = |member: &str| format!("{CONFIGURATION}.{member}");
        let window = |window: crate::pb::gitpod::v1::UpdateWindow| {
            UpdateWindow::parse(&field("update_window"), window.start_hour, window.end_hour)
        };
        Ok(Self {
            name: name.map(|name| plain_text("name", name, 127)).transpose()?,
            release_channel: channel
                .map(|channel| release_channel(&field("release_channel"), channel))
                .transpose()?,
            auto_update,
            log_level: level.map(|level| log_level(&field("log_level"), level)).transpose()?,
            devcontainer_image_cache: devcontainer_image_cache_enabled,
            continuous_profiling,
            update_window: update_window.map(window).transpose()?,
            metrics: metrics_patch(metrics.unwrap_or_default())?,
            honeycomb_key: secret("honeycomb_api_key", honeycomb_api_key)?,
        })
    }
}

fn secret(member: &str, sent: Option<String>) -> Result<SecretPatch> {
    SecretPatch::parse(&format!("{CONFIGURATION}.{member}"), sent.map(Plaintext::new))
}

fn metrics_patch(metrics: pb::MetricsConfiguration) -> Result<MetricsPatch> {
    let pb::MetricsConfiguration {
        enabled,
        url,
        username,
        password,
        managed_metrics_enabled,
        include_verbose_metrics,
    } = metrics;
    let text = |member: &str, text: Option<String>, longest| {
        text.map(|text| plain_text(&format!("{CONFIGURATION}.metrics.{member}"), text, longest)).transpose()
    };
    Ok(MetricsPatch {
        enabled,
        url: text("url", url, 2_048)?,
        username: text("username", username, 255)?,
        password: secret("metrics.password", password)?,
        managed: managed_metrics_enabled,
        verbose: include_verbose_metrics,
    })
}
