//! Wire types to domain types and back. A wrong value names its field.
mod audit;
mod call;
mod environment_class;
mod group;
mod host_token;
mod integration;
mod key;
mod keyring;
mod live;
mod llm_integration;
mod principal;
mod refresh;
mod runner;
mod runner_patch;
mod runner_policy;
mod schema;
mod secret;
mod ssh_key;
mod status;
mod validate;
mod watch;

pub(crate) use self::refresh::REFRESH_QUESTION;
pub(super) use self::{
    audit::{audit_entry, audit_filter, audit_head, audit_point, audit_verified},
    call::{answer_of, call_error, credential, kind_of_answer, kind_of_question, question_bytes, request},
    environment_class::{class_filter, environment_class},
    group::{group, group_filter, group_name, membership, membership_search},
    host_token::{host_token, host_token_filter},
    integration::{configured, integration},
    key::{key_state, runner_key},
    keyring::{rotation, seed},
    live::{authentication, choose_runner, context, default_page_size, found, search},
    llm_integration::llm_integration,
    principal::{api_token, member, service_account, subject, user, user_role, user_subject},
    refresh::refreshed,
    runner::{runner, runner_filter, runner_spec},
    runner_policy::runner_policy,
    schema::schema,
    secret::{kid, sealed_secret, secret_to_reseal},
    ssh_key::authorized_key,
    status::phase,
    validate::{class_findings, class_trial, findings, trial_call, tried},
    watch::{configured_llm, watched},
};
use crate::{
    clock::Instant,
    error::{Error, Result},
    wkt::Timestamp,
};

/// A moment on the wire.
pub(super) fn timestamp(at: Instant) -> Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: at.0.div_euclid(1_000_000), nanos }
}

/// A moment from the wire, cut to microseconds; the years 0001 to 9999, as everywhere in protobuf.
pub(super) fn instant(field: &str, at: Timestamp) -> Result<Instant> {
    let invalid =
        || Error::invalid(field, "sealink.timestamp", "value must be a moment in the years 0001 to 9999");
    if !(-62_135_596_800..=253_402_300_799).contains(&at.seconds) || !(0..1_000_000_000).contains(&at.nanos) {
        return Err(invalid());
    }
    Ok(Instant(at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)))
}
