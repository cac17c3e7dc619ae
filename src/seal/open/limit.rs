//! How often opening may fail: a hostile server must not be able to ask a private key as often as it likes.
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Failed attempts that are allowed per [`WINDOW`].
pub const MAX_FAILURES: usize = 10;
/// How long a failure counts.
pub const WINDOW: Duration = Duration::from_hours(1);

/// Counts failed opens. Ask [`Self::may_open`] before, tell [`Self::failed`] after each
/// [`OpenError::Undecryptable`](super::OpenError::Undecryptable); rejected ciphertexts cost no private-key
/// operation and do not count.
#[derive(Debug, Default)]
pub struct AttemptLimiter {
    failures: VecDeque<Instant>,
}

impl AttemptLimiter {
    /// Whether another attempt is allowed now.
    ///
    /// # Errors
    /// How long to wait until it is.
    pub fn may_open(&mut self, now: Instant) -> Result<(), Duration> {
        while self.failures.front().is_some_and(|&failure| now.duration_since(failure) >= WINDOW) {
            self.failures.pop_front();
        }
        match self.failures.front() {
            Some(&oldest) if self.failures.len() >= MAX_FAILURES => {
                Err(WINDOW.saturating_sub(now.duration_since(oldest)))
            }
            _ => Ok(()),
        }
    }

    /// Remembers a failure.
    pub fn failed(&mut self, now: Instant) {
        self.failures.push_back(now);
    }
}
