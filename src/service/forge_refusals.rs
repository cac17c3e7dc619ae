//! What a member is told when a forge refuses or does not answer.
use std::time::Duration;

use crate::{
    error::{Error, Kind},
    scm::ForgeError,
};

/// When to ask again a forge that does not say.
const LATER: Duration = Duration::from_secs(30);
/// When to ask again one that others ask.
const SOON: Duration = Duration::from_secs(5);

/// Why an account cannot be linked, or its token replaced.
pub(super) fn refused_link(error: ForgeError) -> Error {
    const RULE: &str = "sealink.forge";
    match error {
        ForgeError::Unauthenticated | ForgeError::Forbidden => {
            Error::invalid("access_token", RULE, "is not accepted by the forge")
        }
        ForgeError::RateLimited(delay) => limited(delay),
        ForgeError::Disallowed(why) => Error::invalid("url", RULE, why),
        ForgeError::Busy => busy(error),
        ForgeError::NoConnection
        | ForgeError::Unreachable(_)
        | ForgeError::TimedOut
        | ForgeError::ServerError(_)
        | ForgeError::Resting(_) => Error::invalid("url", RULE, "does not answer"),
        ForgeError::NotFound | ForgeError::Protocol(_) => {
            Error::invalid("url", RULE, "is not the address of a forge of this type")
        }
    }
}

/// The forge says that the token of a linked account is another person's.
pub(super) fn another_person() -> Error {
    let message = "the access token belongs to another account of the forge";
    Error::new(Kind::Forbidden, message).blaming("access_token", "scm_token_rejected")
}

fn limited(delay: Option<Duration>) -> Error {
    Error::new(Kind::Unavailable, "the forge limits the rate of requests").retry_after(delay.unwrap_or(LATER))
}

fn busy(error: ForgeError) -> Error {
    Error::new(Kind::Unavailable, error.to_string()).retry_after(SOON)
}

/// Why a linked account's forge does not answer; a forge's 401 is never ours.
pub(super) fn refused(error: ForgeError, what: &'static str) -> Error {
    match error {
        ForgeError::Unauthenticated => {
            Error::new(Kind::Forbidden, "the forge does not accept the access token any more")
                .blaming("access_token", "scm_token_rejected")
        }
        ForgeError::Forbidden => {
            Error::new(Kind::Forbidden, "the forge refuses this to the access token: a scope may be missing")
                .blaming("access_token", "scm_forbidden")
        }
        ForgeError::NotFound => Error::not_found(what),
        ForgeError::RateLimited(delay) => limited(delay),
        ForgeError::Busy => busy(error),
        ForgeError::Resting(left) => Error::new(Kind::Unavailable, error.to_string()).retry_after(left),
        ForgeError::NoConnection
        | ForgeError::Unreachable(_)
        | ForgeError::TimedOut
        | ForgeError::ServerError(_)
        | ForgeError::Protocol(_)
        | ForgeError::Disallowed(_) => Error::new(Kind::Unavailable, error.to_string()).retry_after(LATER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_asked_is_no_ones_fault() {
        let minute = Duration::from_mins(1);
        for (error, link, later) in [
            (ForgeError::Busy, None, SOON),
            (ForgeError::RateLimited(Some(minute)), None, minute),
            (ForgeError::Resting(minute), Some("url"), minute),
            (ForgeError::TimedOut, Some("url"), LATER),
        ] {
            let used = refused(error, "repository");
            assert_eq!((used.kind(), used.retry_delay()), (Kind::Unavailable, Some(later)), "{error:?}");
            let linked = refused_link(error);
            let blamed = linked.violations().first().map(|one| one.field.as_str());
            assert_eq!(blamed, link, "{error:?}");
            assert_eq!(linked.kind() == Kind::Unavailable, link.is_none(), "{error:?}");
        }
    }
}
