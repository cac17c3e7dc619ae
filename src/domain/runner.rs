//! Runners: the machines that use the integrations.
use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    domain::{
        access::RunnerFacts,
        id::{OrganizationId, RunnerId, UserId},
        liveness::Liveness,
        runner_key::RunnerKey,
        runner_policy::RunnerRole,
        schema::OfferedScms,
        secret::{Sealed, Secret},
        update_window::UpdateWindow,
        user::MemberKind,
    },
};

/// Whether a runner runs on its user's machine. Fixed at creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunnerKind {
    /// On its user's machine.
    Local,
    /// In somebody's cloud or data centre.
    Remote,
}

/// What a runner runs on. Fixed at creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunnerProvider {
    /// Not said.
    Unspecified,
    /// Amazon EC2.
    AwsEc2,
    /// A Linux host.
    LinuxHost,
    /// A desktop Mac.
    DesktopMac,
    /// Google Cloud.
    Gcp,
    /// A development agent.
    DevAgent,
}

impl RunnerProvider {
    /// The kind that follows from the provider; nothing said means remote.
    #[must_use]
    pub const fn kind(self) -> RunnerKind {
        match self {
            Self::LinuxHost | Self::DesktopMac => RunnerKind::Local,
            Self::Unspecified | Self::AwsEc2 | Self::Gcp | Self::DevAgent => RunnerKind::Remote,
        }
    }
}

/// Where a runner is in its life, as far as the server can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerPhase {
    /// No key of it has ever become active.
    Created,
    /// It has registered, but no agent of it is heard of.
    Inactive,
    /// An agent of it lives and takes calls.
    Active,
    /// The same, but something is wrong.
    Degraded,
}

/// Which releases a runner installs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseChannel {
    /// Not said.
    #[default]
    Unspecified,
    /// Stable releases.
    Stable,
    /// Every release.
    Latest,
}

/// How much a runner logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// Not said.
    #[default]
    Unspecified,
    /// Everything.
    Debug,
    /// The usual.
    Info,
    /// Warnings and errors.
    Warn,
    /// Errors.
    Error,
}

/// Which edition a runner is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variant {
    /// Not said.
    #[default]
    Unspecified,
    /// Standard.
    Standard,
    /// Enterprise.
    Enterprise,
}

/// A runner's own settings, without their secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Where it runs, in its provider's words. Fixed at creation.
    pub region: String,
    /// Fixed at creation.
    pub variant: Variant,
    /// Which releases it installs.
    pub release_channel: ReleaseChannel,
    /// Whether it updates itself.
    pub auto_update: bool,
    /// How much it logs.
    pub log_level: LogLevel,
    /// Whether it caches dev container images.
    pub devcontainer_image_cache: bool,
    /// Whether it profiles itself all the time.
    pub continuous_profiling: bool,
    /// When it may update itself; `None`: any time.
    pub update_window: Option<UpdateWindow>,
    /// Where it sends its metrics.
    pub metrics: Metrics,
}

/// Where a runner sends its metrics. The password is kept apart, sealed at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Whether it sends any.
    pub enabled: bool,
    /// Where to.
    pub url: String,
    /// As whom.
    pub username: String,
    /// Whether the provider collects its own.
    pub managed: bool,
    /// Whether verbose metrics are included.
    pub verbose: bool,
}

impl Configuration {
    /// The members in which `other` differs, by their names on the wire.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            region,
            variant,
            release_channel,
            auto_update,
            log_level,
            devcontainer_image_cache,
            continuous_profiling,
            update_window,
            metrics: Metrics { enabled, url, username, managed, verbose },
        } = self;
        let metrics = &other.metrics;
        [
            ("region", *region != other.region),
            ("variant", *variant != other.variant),
            ("release_channel", *release_channel != other.release_channel),
            ("auto_update", *auto_update != other.auto_update),
            ("log_level", *log_level != other.log_level),
            ("devcontainer_image_cache_enabled", *devcontainer_image_cache != other.devcontainer_image_cache),
            ("continuous_profiling", *continuous_profiling != other.continuous_profiling),
            ("update_window", *update_window != other.update_window),
            ("metrics.enabled", *enabled != metrics.enabled),
            ("metrics.url", *url != metrics.url),
            ("metrics.username", *username != metrics.username),
            ("metrics.managed_metrics_enabled", *managed != metrics.managed),
            ("metrics.include_verbose_metrics", *verbose != metrics.verbose),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

/// A runner as stored.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The runner's id.
    pub id: RunnerId,
    /// Where it belongs.
    pub organization: OrganizationId,
    /// Who created it.
    pub creator: UserId,
    /// Whether that is a person.
    pub creator_kind: MemberKind,
    /// Its name: 3 to 127 characters.
    pub name: String,
    /// Whether it is local.
    pub kind: RunnerKind,
    /// What it runs on.
    pub provider: RunnerProvider,
    /// Its settings.
    pub configuration: Configuration,
    /// Its Honeycomb API key, sealed to it.
    pub honeycomb_key: Option<Sealed>,
    /// Whether a metrics password is stored, sealed at rest.
    pub has_metrics_password: bool,
    /// Its ACTIVE key, if it has one.
    pub active_key: Option<RunnerKey>,
    /// Whether a key of it was ever ACTIVE.
    pub registered: bool,
    /// The SCMs of the schema it reported; `None` before it reported one.
    pub offered: Option<OfferedScms>,
    /// What is known of its agents.
    pub liveness: Liveness,
    /// Grows by one with every change of anything the runner sees.
    pub revision: u64,
    /// Grows by one with every change of the runner itself.
    pub version: u64,
    /// When it was created.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

impl Runner {
    /// What the access rules need to know.
    #[must_use]
    pub fn facts(&self) -> RunnerFacts {
        RunnerFacts { id: self.id, organization: self.organization, creator: self.creator }
    }

    /// As somebody with this role on it sees it: its ciphertext is for those who administer it.
    #[must_use]
    pub fn seen_with(mut self, role: RunnerRole) -> Self {
        if role == RunnerRole::User {
            self.honeycomb_key = None;
        }
        self
    }

    /// Where it is in its life at `now`.
    #[must_use]
    pub fn phase(&self, now: Instant) -> RunnerPhase {
        match (self.registered, self.liveness.is_alive(now), self.liveness.degradation(now)) {
            (false, ..) => RunnerPhase::Created,
            (true, false, _) => RunnerPhase::Inactive,
            (true, true, "") => RunnerPhase::Active,
            (true, true, _) => RunnerPhase::Degraded,
        }
    }
}

/// What a list of runners is narrowed to; empty lists narrow nothing.
#[derive(Clone, Debug, Default)]
pub struct RunnerFilter {
    /// Created by one of these, at most 25.
    pub creators: Vec<UserId>,
    /// Of one of these kinds; `None` is a kind that no runner here has.
    pub kinds: Vec<Option<RunnerKind>>,
    /// On one of these; `None` is a provider that no runner here has.
    pub providers: Vec<Option<RunnerProvider>>,
}

/// A runner to be created, its members checked.
#[derive(Debug)]
pub struct NewRunner {
    /// As [`Runner::name`].
    pub name: String,
    /// As [`Runner::kind`].
    pub kind: RunnerKind,
    /// As [`Runner::provider`].
    pub provider: RunnerProvider,
    /// As [`Runner::configuration`].
    pub configuration: Configuration,
    /// The metrics password in clear, to be sealed at rest.
    pub metrics_password: Option<Secret>,
}
