//! How many questions one forge is asked at once, and whether it is asked at all: one that hangs or is away must not
//! hold up what asks the others.
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::Origin;
use crate::scm::{ForgeError, Result};

/// How many questions one forge is asked at once.
const AT_ONCE: usize = 16;
/// After how many outages in a row it is left alone.
const OUTAGES: u32 = 10;
/// From how many forges on those are forgotten of which nothing is to be remembered: members name them.
const MANY: usize = 1_024;

/// The gates of all forges, by origin.
pub(in crate::scm) struct Gates {
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    rest: Duration,
}

struct Gate {
    name: String,
    slots: Arc<Semaphore>,
    breaker: Mutex<Breaker>,
}

/// Whether a forge is away.
#[derive(Default)]
struct Breaker {
    /// Outages since the last answer.
    outages: u32,
    /// Until when nobody asks.
    until: Option<Instant>,
}

/// Leave to ask one question. Dropping it gives the place to the next.
pub(in crate::scm) struct Pass {
    gate: Arc<Gate>,
    rest: Duration,
    _slot: OwnedSemaphorePermit,
}

impl Gates {
    /// Gates that leave a forge alone for `rest` when it is away.
    pub(in crate::scm) fn new(rest: Duration) -> Self {
        Self { gates: Mutex::default(), rest }
    }

    /// Waits until `origin` may be asked, for `patience` at most.
    ///
    /// # Errors
    /// [`ForgeError::Resting`] at once if it is away, [`ForgeError::Busy`] if its places stay taken.
    pub(in crate::scm) async fn enter(&self, origin: &Origin, patience: Duration) -> Result<Pass> {
        let gate = self.gate(origin);
        if let Some(left) = locked(&gate.breaker).rests(Instant::now()) {
            return Err(ForgeError::Resting(left));
        }
        let slot = timeout(patience, Arc::clone(&gate.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return Err(ForgeError::Busy) };
        // It may have gone away meanwhile.
        locked(&gate.breaker).admit(Instant::now(), self.rest).map_err(ForgeError::Resting)?;
        Ok(Pass { gate, rest: self.rest, _slot: slot })
    }

    fn gate(&self, origin: &Origin) -> Arc<Gate> {
        let mut gates = locked(&self.gates);
        let name = origin.as_text();
        if gates.len() >= MANY && !gates.contains_key(&name) {
            let now = Instant::now();
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || locked(&gate.breaker).rests(now).is_some());
        }
        let gate = gates.entry(name).or_insert_with_key(|name| {
            let slots = Arc::new(Semaphore::new(AT_ONCE));
            Arc::new(Gate { name: name.clone(), slots, breaker: Mutex::default() })
        });
        Arc::clone(gate)
    }
}

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gates({} forges)", locked(&self.gates).len())
    }
}

impl Pass {
    /// Says what came of the question. Says nothing, whoever gave up itself.
    pub(in crate::scm) fn ends(self, outage: bool) {
        let mut breaker = locked(&self.gate.breaker);
        if !outage {
            *breaker = Breaker::default();
        } else if breaker.count(Instant::now(), self.rest) {
            tracing::warn!(forge = %self.gate.name, "a forge does not answer and is left alone for a while");
        }
    }
}

impl Breaker {
    /// How long the forge is left alone from `now`.
    fn rests(&self, now: Instant) -> Option<Duration> {
        self.until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Lets one question through. After a rest that one tries for all: the others rest on meanwhile.
    fn admit(&mut self, now: Instant, rest: Duration) -> std::result::Result<(), Duration> {
        if let Some(left) = self.rests(now) {
            return Err(left);
        }
        self.until = self.until.map(|_| now + rest);
        Ok(())
    }

    /// Counts an outage; whether the forge is left alone from now on.
    fn count(&mut self, now: Instant, rest: Duration) -> bool {
        self.outages = self.outages.saturating_add(1);
        if self.outages >= OUTAGES {
            self.until = Some(now + rest);
        }
        self.outages == OUTAGES
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{super::Policy, *};

    const REST: Duration = Duration::from_secs(15);
    const SECOND: Duration = Duration::from_secs(1);

    fn origin(host: &str) -> Origin {
        Policy::default().origin(host).unwrap()
    }

    #[tokio::test]
    async fn sixteen_are_let_in_and_one_more_when_one_is_out() {
        let gates = Gates::new(REST);
        let git = origin("git.example.com");
        let enter = || gates.enter(&git, Duration::ZERO);
        let mut passes = Vec::new();
        for _ in 0..16 {
            passes.push(enter().await.expect("a place"));
        }
        assert_eq!(enter().await.err(), Some(ForgeError::Busy));
        assert!(gates.enter(&origin("git.example.com:8443"), Duration::ZERO).await.is_ok(), "another forge");
        passes.pop();
        let last = enter().await.expect("the place of who gave up");
        assert_eq!(enter().await.err(), Some(ForgeError::Busy));
        last.ends(false);
        assert!(enter().await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_is_let_in_or_turned_away_when_the_forge_goes_away() {
        let gates = Arc::new(Gates::new(Duration::from_hours(1)));
        let mut passes = Vec::new();
        for _ in 0..16 {
            passes.push(gates.enter(&origin("git.example.com"), Duration::ZERO).await.expect("a place"));
        }
        let waiting = tokio::spawn({
            let gates = Arc::clone(&gates);
            async move { gates.enter(&origin("git.example.com"), Duration::from_hours(1)).await.err() }
        });
        for pass in passes {
            pass.ends(true);
        }
        assert!(matches!(waiting.await.unwrap(), Some(ForgeError::Resting(_))));
    }

    #[test]
    fn ten_outages_in_a_row_are_a_rest_and_one_tries_after_it() {
        let mut breaker = Breaker::default();
        let start = Instant::now();
        for outage in 1..OUTAGES {
            assert!(!breaker.count(start, REST), "{outage}");
            assert_eq!(breaker.admit(start, REST), Ok(()));
        }
        assert!(breaker.count(start, REST));
        assert_eq!(breaker.admit(start, REST), Err(REST));
        assert_eq!(breaker.admit(start + SECOND, REST), Err(Duration::from_secs(14)));
        // One tries; whoever comes meanwhile is turned away.
        let tried = start + REST;
        assert_eq!(breaker.admit(tried, REST), Ok(()));
        assert_eq!(breaker.admit(tried, REST), Err(REST));
        assert!(!breaker.count(tried + SECOND, REST), "it is said once");
        assert_eq!(breaker.admit(tried + SECOND, REST), Err(REST));
        // The one that tries next may never come back: then another does.
        assert_eq!(breaker.admit(tried + SECOND + REST, REST), Ok(()));
        assert_eq!(breaker.admit(tried + SECOND + REST + REST, REST), Ok(()));
    }

    #[tokio::test]
    async fn an_answer_ends_the_count() {
        let gates = Gates::new(Duration::from_hours(1));
        let git = origin("git.example.com");
        let enter = async || gates.enter(&git, Duration::ZERO).await;
        for _ in 0..3 {
            for _ in 1..OUTAGES {
                enter().await.expect("no rest yet").ends(true);
            }
            enter().await.expect("no rest yet").ends(false);
        }
        for _ in 0..OUTAGES {
            enter().await.expect("no rest yet").ends(true);
        }
        assert!(matches!(enter().await.err(), Some(ForgeError::Resting(_))));
    }

    #[tokio::test]
    async fn forges_of_which_nothing_is_to_be_remembered_are_forgotten() {
        let gates = Gates::new(Duration::from_hours(1));
        let away = origin("away.example.com");
        for _ in 0..OUTAGES {
            gates.enter(&away, Duration::ZERO).await.expect("a place").ends(true);
        }
        let held = gates.enter(&origin("held.example.com"), Duration::ZERO).await;
        for number in 0..3 * MANY {
            drop(gates.enter(&origin(&format!("h{number}.example.com")), Duration::ZERO).await);
        }
        assert!(locked(&gates.gates).len() <= MANY);
        assert!(locked(&gates.gates).contains_key("https://held.example.com"));
        assert!(matches!(gates.enter(&away, Duration::ZERO).await.err(), Some(ForgeError::Resting(_))));
        drop(held);
    }
}
