//! Runners.
#![expect(deprecated, reason = "kinds and providers that the public API calls deprecated are still served")]
use super::{principal::member_subject, status::status, timestamp};
use crate::{
    domain::{
        id::UserId,
        runner::{
            Configuration, LogLevel, Metrics, NewRunner, ReleaseChannel, Runner, RunnerFilter, RunnerKind,
            RunnerProvider, Variant,
        },
        secret::{Plaintext, Secret},
        text::plain_text,
        update_window::UpdateWindow,
    },
    error::{Error, Result},
    pb::gitpod::v1 as pb,
    service::View,
};

pub(super) const CONFIGURATION: &str = "spec.configuration";

pub(super) fn undefined(field: impl Into<String>) -> Error {
    Error::invalid(field, "enum.defined_only", "value must be one of the defined enum values")
}

fn refuse<T>(field: &'static str, message: &'static str) -> Result<T> {
    Err(Error::invalid(field, "sealink.runner", message))
}

impl TryFrom<pb::CreateRunnerRequest> for NewRunner {
    type Error = Error;

    fn try_from(request: pb::CreateRunnerRequest) -> Result<Self> {
        let provider = provider("provider", request.provider)?;
        let kind = match (request.kind, request.provider) {
            (0, _) => provider.kind(),
            (_, 0) => kind("kind", request.kind)?,
            _ => {
                return refuse(
                    "kind",
                    "value must not be set together with provider: the kind follows from it",
                );
            }
        };
        if !request.runner_manager_id.is_empty() {
            return refuse("runner_manager_id", "value must not be set: there are no managed runners here");
        }
        let (configuration, metrics_password) = spec(request.spec.unwrap_or_default())?;
        Ok(Self {
            name: plain_text("name", request.name, 127)?,
            kind,
            provider,
            configuration,
            metrics_password,
        })
    }
}

fn kind(field: &str, kind: i32) -> Result<RunnerKind> {
    match pb::RunnerKind::try_from(kind) {
        Ok(pb::RunnerKind::Local) => Ok(RunnerKind::Local),
        Ok(pb::RunnerKind::Remote | pb::RunnerKind::Unspecified) => Ok(RunnerKind::Remote),
        Ok(pb::RunnerKind::LocalConfiguration) => {
            refuse("kind", "value must not be RUNNER_KIND_LOCAL_CONFIGURATION: it cannot be created")
        }
        Err(_) => Err(undefined(field)),
    }
}

fn provider(field: &str, provider: i32) -> Result<RunnerProvider> {
    Ok(match pb::RunnerProvider::try_from(provider).map_err(|_| undefined(field))? {
        pb::RunnerProvider::Unspecified => RunnerProvider::Unspecified,
        pb::RunnerProvider::AwsEc2 => RunnerProvider::AwsEc2,
        pb::RunnerProvider::LinuxHost => RunnerProvider::LinuxHost,
        pb::RunnerProvider::DesktopMac => RunnerProvider::DesktopMac,
        pb::RunnerProvider::Gcp => RunnerProvider::Gcp,
        pb::RunnerProvider::DevAgent => RunnerProvider::DevAgent,
        pb::RunnerProvider::Managed => {
            return refuse(
                "provider",
                "value must not be RUNNER_PROVIDER_MANAGED: there are no managed runners here",
            );
        }
    })
}

/// The settings of a new runner, and its metrics password.
fn spec(spec: pb::RunnerSpec) -> Result<(Configuration, Option<Secret>)> {
    match pb::RunnerPhase::try_from(spec.desired_phase) {
        Ok(pb::RunnerPhase::Unspecified | pb::RunnerPhase::Active) => {}
        _ => return refuse("spec.desired_phase", "value must be RUNNER_PHASE_ACTIVE or not set"),
    }
    let configuration = spec.configuration.unwrap_or_default();
    if !configuration.encrypted_honeycomb_api_key.is_empty() {
        return refuse(
            "spec.configuration.encrypted_honeycomb_api_key",
            "value must not be set: update the runner with honeycomb_api_key once it has a key",
        );
    }
    let field = |member: &str| format!("{CONFIGURATION}.{member}");
    let metrics = configuration.metrics.unwrap_or_default();
    let update_window = match configuration.update_window {
        None => None,
        Some(window) => UpdateWindow::parse(&field("update_window"), window.start_hour, window.end_hour)?,
    };
    let password = Some(Plaintext::new(metrics.password)).filter(|password| !password.is_empty());
    let password = password.map(|password| password.parse(&field("metrics.password"))).transpose()?;
    let settings = Configuration {
        region: plain_text(&field("region"), configuration.region, 127)?,
        variant: variant(spec.variant)?,
        release_channel: release_channel(&field("release_channel"), configuration.release_channel)?,
        auto_update: configuration.auto_update,
        log_level: log_level(&field("log_level"), configuration.log_level)?,
        devcontainer_image_cache: configuration.devcontainer_image_cache_enabled,
        continuous_profiling: configuration.continuous_profiling,
        update_window,
        metrics: Metrics {
            enabled: metrics.enabled,
            url: plain_text(&field("metrics.url"), metrics.url, 2_048)?,
            username: plain_text(&field("metrics.username"), metrics.username, 255)?,
            managed: metrics.managed_metrics_enabled,
            verbose: metrics.include_verbose_metrics,
        },
    };
    Ok((settings, password))
}

fn variant(variant: i32) -> Result<Variant> {
    Ok(match pb::RunnerVariant::try_from(variant).map_err(|_| undefined("spec.variant"))? {
        pb::RunnerVariant::Unspecified => Variant::Unspecified,
        pb::RunnerVariant::Standard => Variant::Standard,
        pb::RunnerVariant::Enterprise => Variant::Enterprise,
    })
}

pub(super) fn release_channel(field: &str, channel: i32) -> Result<ReleaseChannel> {
    Ok(match pb::RunnerReleaseChannel::try_from(channel).map_err(|_| undefined(field))? {
        pb::RunnerReleaseChannel::Unspecified => ReleaseChannel::Unspecified,
        pb::RunnerReleaseChannel::Stable => ReleaseChannel::Stable,
        pb::RunnerReleaseChannel::Latest => ReleaseChannel::Latest,
    })
}

pub(super) fn log_level(field: &str, level: i32) -> Result<LogLevel> {
    Ok(match pb::LogLevel::try_from(level).map_err(|_| undefined(field))? {
        pb::LogLevel::Unspecified => LogLevel::Unspecified,
        pb::LogLevel::Debug => LogLevel::Debug,
        pb::LogLevel::Info => LogLevel::Info,
        pb::LogLevel::Warn => LogLevel::Warn,
        pb::LogLevel::Error => LogLevel::Error,
    })
}

/// What a list of runners is narrowed to.
pub(crate) fn runner_filter(filter: Option<pb::list_runners_request::Filter>) -> Result<RunnerFilter> {
    let filter = filter.unwrap_or_default();
    let creators = filter.creator_ids.iter().enumerate();
    let creators = creators.map(|(index, id)| UserId::parse(&format!("filter.creator_ids[{index}]"), id));
    // A kind or provider that no runner here can have matches nothing, but the filter still narrows.
    let kinds = filter.kinds.iter().filter(|kind| **kind != 0);
    let providers = filter.providers.iter().filter(|provider| **provider != 0);
    Ok(RunnerFilter {
        creators: creators.collect::<Result<_>>()?,
        kinds: kinds.map(|kind| stored_kind("filter.kinds", *kind)).collect::<Result<_>>()?,
        providers: providers
            .map(|provider| stored_provider("filter.providers", *provider))
            .collect::<Result<_>>()?,
    })
}

pub(super) fn stored_kind(field: &str, kind: i32) -> Result<Option<RunnerKind>> {
    Ok(match pb::RunnerKind::try_from(kind).map_err(|_| undefined(field))? {
        pb::RunnerKind::Local => Some(RunnerKind::Local),
        pb::RunnerKind::Remote => Some(RunnerKind::Remote),
        pb::RunnerKind::LocalConfiguration | pb::RunnerKind::Unspecified => None,
    })
}

pub(super) fn stored_provider(field: &str, provider: i32) -> Result<Option<RunnerProvider>> {
    Ok(match pb::RunnerProvider::try_from(provider).map_err(|_| undefined(field))? {
        pb::RunnerProvider::AwsEc2 => Some(RunnerProvider::AwsEc2),
        pb::RunnerProvider::LinuxHost => Some(RunnerProvider::LinuxHost),
        pb::RunnerProvider::DesktopMac => Some(RunnerProvider::DesktopMac),
        pb::RunnerProvider::Gcp => Some(RunnerProvider::Gcp),
        pb::RunnerProvider::DevAgent => Some(RunnerProvider::DevAgent),
        pb::RunnerProvider::Managed | pb::RunnerProvider::Unspecified => None,
    })
}

/// A runner as those see it who may use it. Its metrics password is in no answer.
pub(crate) fn runner(runner: &Runner, view: View<'_>) -> pb::Runner {
    let creator = member_subject(runner.creator, runner.creator_kind);
    pb::Runner {
        runner_id: runner.id.to_string(),
        created_at: Some(timestamp(runner.created_at)),
        updated_at: Some(timestamp(runner.updated_at)),
        name: runner.name.clone(),
        spec: Some(runner_spec(runner)),
        status: Some(status(runner, view)),
        creator: Some(creator),
        kind: match runner.kind {
            RunnerKind::Local => pb::RunnerKind::Local,
            RunnerKind::Remote => pb::RunnerKind::Remote,
        }
        .into(),
        provider: match runner.provider {
            RunnerProvider::Unspecified => pb::RunnerProvider::Unspecified,
            RunnerProvider::AwsEc2 => pb::RunnerProvider::AwsEc2,
            RunnerProvider::LinuxHost => pb::RunnerProvider::LinuxHost,
            RunnerProvider::DesktopMac => pb::RunnerProvider::DesktopMac,
            RunnerProvider::Gcp => pb::RunnerProvider::Gcp,
            RunnerProvider::DevAgent => pb::RunnerProvider::DevAgent,
        }
        .into(),
        runner_manager_id: String::new(),
    }
}

/// A runner's settings, its secrets as ciphertext or not at all.
pub(crate) fn runner_spec(runner: &Runner) -> pb::RunnerSpec {
    let settings = &runner.configuration;
    let metrics = pb::MetricsConfiguration {
        enabled: settings.metrics.enabled,
        url: settings.metrics.url.clone(),
        username: settings.metrics.username.clone(),
        password: String::new(),
        managed_metrics_enabled: settings.metrics.managed,
        include_verbose_metrics: settings.metrics.verbose,
    };
    let update_window = settings
        .update_window
        .map(|window| pb::UpdateWindow { start_hour: Some(window.start), end_hour: Some(window.end) });
    let release_channel = match settings.release_channel {
        ReleaseChannel::Unspecified => pb::RunnerReleaseChannel::Unspecified,
        ReleaseChannel::Stable => pb::RunnerReleaseChannel::Stable,
        ReleaseChannel::Latest => pb::RunnerReleaseChannel::Latest,
    };
    let log_level = match settings.log_level {
        LogLevel::Unspecified => pb::LogLevel::Unspecified,
        LogLevel::Debug => pb::LogLevel::Debug,
        LogLevel::Info => pb::LogLevel::Info,
        LogLevel::Warn => pb::LogLevel::Warn,
        LogLevel::Error => pb::LogLevel::Error,
    };
    let variant = match settings.variant {
        Variant::Unspecified => pb::RunnerVariant::Unspecified,
        Variant::Standard => pb::RunnerVariant::Standard,
        Variant::Enterprise => pb::RunnerVariant::Enterprise,
    };
    let configuration = pb::RunnerConfiguration {
        region: settings.region.clone(),
        release_channel: release_channel.into(),
        auto_update: settings.auto_update,
        metrics: Some(metrics),
        log_level: log_level.into(),
        devcontainer_image_cache_enabled: settings.devcontainer_image_cache,
        update_window,
        encrypted_honeycomb_api_key: runner
            .honeycomb_key
            .as_ref()
            .map(|sealed| sealed.bytes.clone())
            .unwrap_or_default(),
        continuous_profiling: settings.continuous_profiling,
    };
    pb::RunnerSpec { desired_phase: 0, configuration: Some(configuration), variant: variant.into() }
}
