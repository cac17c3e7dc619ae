//! Wire types to domain types and back. A wrong value names its field.
mod call;
mod integration;
mod key;
mod live;
mod principal;
mod runner;
mod runner_patch;
mod status;
mod validate;
mod watch;

pub(super) use self::{
    call::{answer_of, call_error, kind_of_answer, kind_of_question, question_bytes, request},
    integration::{configured, integration},
    key::{key_state, runner_key},
    live::{authentication, choose_runner, context, default_page_size, found, search},
    principal::{api_token, subject, user, user_role},
    runner::{runner, runner_filter, runner_spec},
    status::phase,
    validate::{class_findings, findings, trial_call, tried},
    watch::watched,
};
use crate::{clock::Instant, wkt::Timestamp};

/// A moment on the wire.
fn timestamp(at: Instant) -> Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: at.0.div_euclid(1_000_000), nanos }
}
