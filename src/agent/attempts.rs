//! How often opening failed lately. A hostile server learns from failures, so there are few of them.
use std::{fs::File, time::Duration};

use super::dir::AgentDir;
use crate::{clock::Instant, error::Result, private_file};

/// Failed opens that are allowed per [`WINDOW`].
pub const MAX_FAILURES: usize = 10;
/// How long a failure counts.
pub const WINDOW: Duration = Duration::from_hours(1);

const FILE: &str = "failed-opens.json";
const MAX_BYTES: u64 = 4_096;

/// The failed opens of the last hour, over all runs of this agent. Ask [`may_try`](Self::may_try) before, tell
/// [`failed`](Self::failed) after each
/// [`OpenError::Undecryptable`](crate::seal::open::OpenError::Undecryptable); rejected ciphertexts cost no
/// private-key operation and do not count.
#[derive(Debug, Default)]
pub struct Attempts {
    failures: Vec<i64>,
}

impl Attempts {
    /// Reads what earlier runs noted; a missing or damaged file counts as none.
    #[must_use]
    pub fn load(dir: &AgentDir) -> Self {
        let text = File::open(dir.at(FILE)).and_then(|file| private_file::read_text(file, MAX_BYTES));
        let failures = text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { failures }
    }

    /// Whether another open may be tried.
    #[must_use]
    pub fn may_try(&self, now: Instant) -> bool {
        let recent = |at: &&i64| Instant(**at).plus(WINDOW) > now && **at <= now.0;
        self.failures.iter().filter(recent).count() < MAX_FAILURES
    }

    /// Notes a failure, for later runs too.
    ///
    /// # Errors
    /// [`Kind::Precondition`](crate::error::Kind::Precondition) if the disk will not have it.
    pub fn failed(&mut self, dir: &AgentDir, now: Instant) -> Result<()> {
        self.failures.push(now.0);
        let surplus = self.failures.len().saturating_sub(MAX_FAILURES);
        self.failures.drain(..surplus);
        dir.write(FILE, format!("{:?}", self.failures).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_failures_an_hour_over_all_runs() {
        let parent = tempfile::tempdir().unwrap();
        let dir = AgentDir::create(&parent.path().join("agent")).unwrap();
        let start = Instant(1_000_000_000_000);
        for _ in 0..MAX_FAILURES {
            let mut attempts = Attempts::load(&dir);
            assert!(attempts.may_try(start));
            attempts.failed(&dir, start).unwrap();
        }
        let attempts = Attempts::load(&dir);
        assert!(!attempts.may_try(start));
        assert!(!attempts.may_try(start.plus(WINDOW.saturating_sub(Duration::from_secs(1)))));
        assert!(attempts.may_try(start.plus(WINDOW)));
    }
}
