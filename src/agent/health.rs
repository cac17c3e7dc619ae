//! What a running agent knows about itself: for its status page, and for what it reports to the server.
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::clock::{Clock, Instant};

/// Shared by everything that runs.
#[derive(Debug, Default)]
pub struct Health {
    facts: Mutex<Facts>,
    changed: Notify,
}

/// The facts at one moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether the configuration is being watched.
    pub watching: bool,
    /// Whether calls can arrive.
    pub listening: bool,
    /// The epoch's first letters are nobody's business; the revision is.
    pub revision: u64,
    /// When the server last confirmed the configuration; `None` before the first snapshot.
    pub confirmed_at: Option<Instant>,
    /// How many secrets are in each state, by the state's name.
    pub secrets: BTreeMap<&'static str, u64>,
    /// How many calls ended how, by call and outcome.
    pub calls: BTreeMap<(&'static str, &'static str), u64>,
    /// What is wrong, by who says so.
    pub wrong: BTreeMap<&'static str, String>,
    /// How often a delivery failed.
    pub delivery_failures: u64,
}

impl Health {
    /// Changes the facts, and wakes who reports them.
    pub fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    /// Says that something is wrong (`Some`) or well again.
    pub fn judge(&self, who: &'static str, wrong: Option<String>) {
        self.note(|facts| match wrong {
            Some(sentence) => {
                facts.wrong.insert(who, sentence);
            }
            None => {
                facts.wrong.remove(who);
            }
        });
    }

    /// The facts as they are.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }

    /// Waits for a change. One waits at a time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Whether the agent has something to work from: also an old configuration counts.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.confirmed_at.is_some()
    }

    /// What is wrong, in one line of at most 1,000 characters; "" if all is well.
    #[must_use]
    pub fn degradation(&self) -> String {
        let all = self.wrong.values().map(String::as_str).collect::<Vec<_>>().join("; ");
        all.chars().take(1_000).collect()
    }

    /// How old the configuration is, in whole seconds.
    #[must_use]
    pub fn age_seconds(&self, clock: &Clock) -> Option<u64> {
        let micros = clock.now().0.saturating_sub(self.confirmed_at?.0);
        Some(u64::try_from(micros / 1_000_000).unwrap_or(0))
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn metrics(&self, clock: &Clock) -> String {
        let mut text = String::new();
        let mut one = |name: &str, help: &str, kind: &str, rows: Vec<(String, u64)>| {
            let _ = writeln!(text, "# HELP sealink_agent_{name} {help}\n# TYPE sealink_agent_{name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "sealink_agent_{name}{labels} {value}");
            }
        };
        let bare = |value: u64| vec![(String::new(), value)];
        one("watching", "Whether the configuration is being watched.", "gauge", bare(self.watching.into()));
        one("listening", "Whether calls can arrive.", "gauge", bare(self.listening.into()));
        one("revision", "The revision of the configuration.", "gauge", bare(self.revision));
        let age = self.age_seconds(clock).map(|age| (String::new(), age));
        one(
            "configuration_age_seconds",
            "Since the server last confirmed the configuration.",
            "gauge",
            age.into_iter().collect(),
        );
        let secrets = self.secrets.iter().map(|(state, count)| (format!("{{state=\"{state}\"}}"), *count));
        one("secrets", "Sealed secrets by what became of them.", "gauge", secrets.collect());
        let calls = self
            .calls
            .iter()
            .map(|((call, outcome), count)| (format!("{{call=\"{call}\",outcome=\"{outcome}\"}}"), *count));
        one("calls_total", "Calls answered.", "counter", calls.collect());
        one("degraded", "Whether something is wrong.", "gauge", bare((!self.wrong.is_empty()).into()));
        one("delivery_failures_total", "Failed deliveries.", "counter", bare(self.delivery_failures));
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    #[test]
    fn facts_become_a_sentence_and_metrics() {
        let health = Health::default();
        assert!(!health.facts().is_ready());
        health.judge("a", Some("one is wrong".to_owned()));
        health.judge("b", Some("two is wrong".to_owned()));
        assert_eq!(health.facts().degradation(), "one is wrong; two is wrong");
        health.judge("a", None);
        health.note(|facts| {
            facts.revision = 7;
            facts.confirmed_at = Some(Instant(1_000_000));
            facts.secrets.insert("OK", 3);
            facts.calls.insert(("Validate", "ok"), 2);
        });
        let clock = Clock::Manual(AtomicI64::new(61_000_000));
        let facts = health.facts();
        assert_eq!((facts.is_ready(), facts.age_seconds(&clock)), (true, Some(60)));
        let text = facts.metrics(&clock);
        for line in [
            "sealink_agent_revision 7",
            "sealink_agent_configuration_age_seconds 60",
            "sealink_agent_secrets{state=\"OK\"} 3",
            "sealink_agent_calls_total{call=\"Validate\",outcome=\"ok\"} 2",
            "sealink_agent_degraded 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        health.judge("b", Some("x".repeat(2_000)));
        assert_eq!(health.facts().degradation().len(), 1_000);
    }
}
