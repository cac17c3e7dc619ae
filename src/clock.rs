//! Time and fresh ids: the only place that asks the machine for either.
use std::{
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use uuid::{ContextV7, Timestamp, Uuid};

/// Microseconds since 1970-01-01T00:00:00Z: the precision both databases keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Deserialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// The moment `after` later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment `before` earlier; saturates at the beginning of time.
    #[must_use]
    pub fn minus(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(before.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Where the server gets its time from.
#[derive(Debug, Default)]
pub enum Clock {
    /// The machine's own clock.
    #[default]
    System,
    /// A clock that tests set, in microseconds.
    Manual(AtomicI64),
}

impl Clock {
    /// The present moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Instant {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Self::Manual(micros) => Instant(micros.load(Ordering::Relaxed)),
        }
    }

    /// Moves a manual clock forward; a system clock stays what it is.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(micros) = self {
            micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// A fresh UUID version 7: sorts by the time it was made. Ids of the machine's clock also keep their
    /// order within a millisecond, so that lists show things in the order they were made.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        static IN_ORDER: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        let micros = u64::try_from(self.now().0).unwrap_or_default();
        let (seconds, nanos) =
            (micros / 1_000_000, u32::try_from(micros % 1_000_000 * 1_000).unwrap_or_default());
        Uuid::new_v7(match self {
            Self::System => Timestamp::from_unix(&IN_ORDER, seconds, nanos),
            Self::Manual(_) => Timestamp::from_unix(ContextV7::new(), seconds, nanos),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn ids_of_one_moment_keep_their_order() {
        let ids: Vec<_> = (0..10_000).map(|_| Clock::System.new_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}
