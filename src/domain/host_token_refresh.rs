//! Which host tokens are renewed, when, and when again if that fails.
use std::time::Duration;

use crate::{
    clock::Instant,
    domain::{
        host_token::{HostToken, Source},
        integration::Integration,
    },
};

/// How long before its end a token is renewed; a short-lived one after half of its life.
pub const MARGIN: Duration = Duration::from_mins(5);
/// How long nobody else tries what one tries now: longer than any call to an agent takes.
pub const LEASE: Duration = Duration::from_mins(1);
/// How long it rests at most between two tries.
pub const LONGEST_REST: Duration = Duration::from_hours(1);
/// How long an agent keeps what a forge gave after it was asked for it last: longer than any rest between two tries.
pub const KEPT: Duration = Duration::from_hours(2);

/// When a token is due that there is something to renew with: if it came through OAuth, and ends.
#[must_use]
pub fn due(token: &HostToken) -> Option<Instant> {
    let ends = token.expires_at.filter(|_| token.source == Source::Oauth)?;
    Some(before(token.updated_at, ends))
}

/// Whether `integration` has the OAuth app that `token` came through, or, if nobody said which that was, may have.
#[must_use]
pub fn renews(integration: &Integration, token: &HostToken) -> bool {
    let named = token.integration.is_none_or(|id| id == integration.id);
    let usable = integration.oauth.as_ref().is_some_and(|oauth| oauth.secret.is_some());
    named && usable && token.source == Source::Oauth && integration.host.key() == token.host.key()
}

/// When what was stored at `since` and ends at `ends` is due.
fn before(since: Instant, ends: Instant) -> Instant {
    let life = u64::try_from(ends.0.saturating_sub(since.0)).unwrap_or(0);
    ends.minus(MARGIN.min(Duration::from_micros(life / 2)))
}

/// Until when a try that begins `now` has the token for itself, and when it counts as failed if nothing came of it.
/// `attempts`: how many have failed before.
#[must_use]
pub fn next_try(now: Instant, attempts: u32) -> Instant {
    now.plus(LEASE.saturating_mul(2_u32.saturating_pow(attempts)).min(LONGEST_REST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::live_call::PATIENCE;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_token_is_due_before_its_end() {
        let due = |since, ends| before(Instant(since * MINUTE), Instant(ends * MINUTE)).0 / MINUTE;
        assert_eq!(due(0, 120), 115);
        assert_eq!(due(0, 10), 5);
        assert_eq!(due(2, 6), 4, "half of a short life");
        assert_eq!(due(9, 6), 6, "what was over when it was stored");
    }

    #[test]
    fn tries_grow_rarer_and_never_overlap() {
        let minutes: Vec<_> =
            [0, 1, 2, 3, 5, 6, 40, u32::MAX].map(|n| next_try(Instant(0), n).0 / MINUTE).into();
        assert_eq!(minutes, [1, 2, 4, 8, 32, 60, 60, 60]);
        assert!(LEASE > PATIENCE * 2);
        assert!(KEPT > LONGEST_REST + PATIENCE, "who is asked again still has it");
    }
}
