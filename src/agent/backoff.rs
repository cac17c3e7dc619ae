//! How long to wait before trying again: full jitter, so that agents that lost their server together do not come
//! back together.
use std::time::Duration;

use crate::{client::ClientError, seal::random};

const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next failure counts as the first.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure: a random time of 0.5 s to twice the last bound, 30 s at most.
    pub fn delay(&mut self) -> Duration {
        // Without randomness all wait their whole time.
        let random = random::bytes::<4>().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes));
        let delay = self.bound(f64::from(random) / f64::from(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Waits as [`delay`](Self::delay) says.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.delay()).await;
    }

    /// Waits after `error`: longer by what the server asks for, and longest where it says that trying again is in
    /// vain.
    pub async fn wait_after(&mut self, error: &ClientError) {
        tokio::time::sleep(self.delay_after(error.retry_after(), error.is_futile())).await;
    }

    fn delay_after(&mut self, asked: Option<Duration>, futile: bool) -> Duration {
        let delay = self.delay();
        match asked {
            // Who was told the same must not come back at the same moment either.
            Some(asked) => asked.min(LONGEST) + delay.saturating_sub(SHORTEST),
            None if futile => LONGEST,
            None => delay,
        }
    }

    /// The wait for `random` from 0 to 1.
    fn bound(self, random: f64) -> Duration {
        let ceiling =
            SHORTEST.saturating_mul(2_u32.saturating_pow(self.failures.saturating_add(1))).min(LONGEST);
        SHORTEST + ceiling.saturating_sub(SHORTEST).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_heeded() {
        let seconds = Duration::from_secs;
        let asked: Vec<_> =
            (0..20).map(|_| Backoff::default().delay_after(Some(seconds(5)), false)).collect();
        assert!(asked.iter().all(|delay| (seconds(5)..=Duration::from_millis(5_500)).contains(delay)));
        assert!(asked.iter().any(|delay| *delay != asked[0]), "they are random");
        let hour = Backoff::default().delay_after(Some(seconds(3_600)), false);
        assert!((LONGEST..LONGEST + seconds(1)).contains(&hour), "nobody is sent away for long");
        assert_eq!(Backoff::default().delay_after(None, true), LONGEST);
        assert!(Backoff::default().delay_after(None, false) <= seconds(1));
    }

    #[test]
    fn waits_grow_from_half_a_second_to_thirty() {
        let mut backoff = Backoff::default();
        let bounds: Vec<_> = (0..8)
            .map(|_| {
                let bounds = (backoff.bound(0.0).as_millis(), backoff.bound(1.0).as_millis());
                let delay = backoff.delay().as_millis();
                assert!(bounds.0 <= delay && delay <= bounds.1);
                bounds
            })
            .collect();
        assert_eq!(bounds.iter().map(|(low, _)| *low).collect::<Vec<_>>(), [500; 8]);
        let highs: Vec<_> = bounds.iter().map(|(_, high)| *high).collect();
        assert_eq!(highs, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        let delays: std::collections::BTreeSet<_> = (0..20).map(|_| backoff.delay()).collect();
        assert!(delays.len() > 10, "they are random");
        backoff.reset();
        assert_eq!(backoff.bound(1.0), Duration::from_secs(1));
        backoff.failures = u32::MAX;
        assert_eq!(backoff.bound(1.0), LONGEST);
    }
}
