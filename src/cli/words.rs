//! Enumerations of the API as lower-case words.
use clap::ValueEnum;

use crate::pb::{
    gitpod::v1::{RunnerKind, RunnerProvider},
    sealink::v1::OrganizationRole,
};

/// `RUNNER_PHASE_CREATED` as `created`; empty for UNSPECIFIED, a number for a value this build does not know.
pub(super) fn word<E: TryFrom<i32>>(value: i32, prefix: &str, name: impl Fn(&E) -> &'static str) -> String {
    let Ok(known) = E::try_from(value) else { return value.to_string() };
    match name(&known).trim_start_matches(prefix) {
        "UNSPECIFIED" => String::new(),
        word => word.to_ascii_lowercase().replace('_', "-"),
    }
}

/// Where a runner's environments run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Provider {
    AwsEc2,
    Gcp,
    LinuxHost,
    DesktopMac,
    DevAgent,
}

#[expect(deprecated, reason = "deprecated in the public API, but still accepted")]
impl From<Provider> for RunnerProvider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::AwsEc2 => Self::AwsEc2,
            Provider::Gcp => Self::Gcp,
            Provider::LinuxHost => Self::LinuxHost,
            Provider::DesktopMac => Self::DesktopMac,
            Provider::DevAgent => Self::DevAgent,
        }
    }
}

/// Whether a runner runs elsewhere or on the user's own machine.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Kind {
    Remote,
    Local,
}

#[expect(deprecated, reason = "deprecated in the public API, but still accepted")]
impl From<Kind> for RunnerKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Remote => Self::Remote,
            Kind::Local => Self::Local,
        }
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// Administers everything in the organization
    Admin,
    /// Creates runners and administers those it created
    Member,
}

impl From<Role> for OrganizationRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}
