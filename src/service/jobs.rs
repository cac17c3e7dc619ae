//! What a server does of itself, beside answering. Every server of a database runs the same jobs; leases and atomic
//! writes decide which one works.
use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{RefreshQuestion, Service, keyring::POLL, profiles};
use crate::error::{Kind, Result};

/// How often the audit log is looked at. Entries are to be chained within a second.
const TICK: Duration = Duration::from_millis(400);
/// After how many looks at the audit log expired keys are removed: some once a minute.
const SWEEP: u32 = 150;
/// How often host tokens are looked for that are to be renewed.
const REFRESH: Duration = Duration::from_secs(2);
/// How long a job rests after a failure, so that a database that is away is not one line of the log after the other.
const REST: Duration = Duration::from_secs(5);
/// How often the change logs are cleaned up.
const CLEAN_UP: Duration = Duration::from_hours(1);
/// How long a change is remembered at least, and how many of a runner's newest.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
const KEPT: u32 = 100_000;

/// The running jobs; dropping it ends them, at any moment: each of their steps is one atomic write.
#[derive(Debug)]
pub struct Jobs(JoinSet<()>);

impl Jobs {
    /// Ends them, and waits until they have, so that nothing is asked of the database once it is closed.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

impl Service {
    /// Starts every job. `question` is how agents are asked to renew a host token.
    #[must_use]
    pub fn start_jobs(self: &Arc<Self>, question: RefreshQuestion) -> Jobs {
        let mut jobs = JoinSet::new();
        let service = Arc::clone(self);
        jobs.spawn(async move { service.hub.run(Arc::clone(&service.store)).await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.forget_changes().await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.offer_calls().await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.forget_calls().await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.refresh_host_tokens(question).await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.keep_log_and_keys().await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.keep_keyring().await });
        for _ in 0..profiles::AT_ONCE {
            let service = Arc::clone(self);
            jobs.spawn(async move { service.refresh_profiles().await });
        }
        let service = Arc::clone(self);
        jobs.spawn(async move { service.follow_revocations().await });
        Jobs(jobs)
    }

    /// Has agents renew the host tokens that are due.
    async fn refresh_host_tokens(&self, question: RefreshQuestion) {
        let mut ticks = interval(REFRESH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !report("renewing host tokens", self.refresh_due_tokens(question).await) {
                sleep(REST).await;
            }
        }
    }

    /// Hears of rotations that other servers make, and retires the seeds that nothing needs any more.
    async fn keep_keyring(&self) {
        let mut ticks = interval(if self.store.is_shared() { POLL } else { CLEAN_UP });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = self.now().minus(CLEAN_UP);
        loop {
            ticks.tick().await;
            let mut well = true;
            if self.store.is_shared() {
                well &= report("following the keyring", self.follow_keyring().await);
            }
            if looked.plus(CLEAN_UP) <= self.now() {
                looked = self.now();
                well &= report("retiring seeds of the keyring", self.retire_seeds().await.map(|_| ()));
            }
            if !well {
                sleep(REST).await;
            }
        }
    }

    async fn forget_changes(&self) {
        let mut due = interval(CLEAN_UP);
        loop {
            due.tick().await;
            let done = self.store.forget_changes(self.now().minus(REMEMBERED), KEPT).await;
            if let Ok(changes @ 1..) = done {
                tracing::info!(changes, "old changes are forgotten");
            }
            report("forgetting old changes", done.map(|_| ()));
        }
    }

    /// Chains the audit log, and removes idempotency keys that are expired.
    async fn keep_log_and_keys(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in (0..SWEEP).cycle() {
            ticks.tick().await;
            let mut well = report("chaining the audit log", self.chain_audit_log().await.map(|_| ()));
            if tick == 0 {
                well &= report("removing expired keys", self.sweep_idempotency_keys().await);
            }
            if !well {
                sleep(REST).await;
            }
        }
    }
}

/// Whether all went well; if not, one line for the operator.
pub(super) fn report(job: &'static str, done: Result<()>) -> bool {
    match done {
        Ok(()) => return true,
        // The other server goes on.
        Err(error) if error.kind() == Kind::Conflict => {
            tracing::debug!(%error, job, "another server goes on");
            return true;
        }
        Err(error) => tracing::warn!(%error, job, "a job failed; it is tried again"),
    }
    false
}
