//! Wire types to domain types and back. A wrong value names its field.
mod audit;
mod environment_class;
mod group;
mod integration;
mod key;
mod principal;
mod runner;
mod runner_patch;
mod schema;

pub(super) use self::{
    audit::{audit_entry, audit_filter, audit_head, audit_point, audit_verified},
    environment_class::{class_filter, environment_class},
    group::{group, group_filter, group_name, membership, membership_search},
    integration::{configured, integration},
    key::{key_state, runner_key},
    principal::{api_token, member, service_account, subject, user, user_role},
    runner::{runner, runner_filter, runner_spec},
    schema::schema,
};
use crate::{clock::Instant, wkt::Timestamp};

/// A moment from the wire, to the microsecond.
fn instant(at: Timestamp) -> Instant {
    Instant(at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos) / 1_000))
}

/// A moment on the wire.
fn timestamp(at: Instant) -> Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: at.0.div_euclid(1_000_000), nanos }
}
