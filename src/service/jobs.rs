//! What a server does of itself, beside answering. Every server of a database runs the same jobs; leases decide
//! which one works.
use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Service;
use crate::error::{Kind, Result};

/// How often it looks whether there is work. Entries are to be chained within a second.
const TICK: Duration = Duration::from_millis(400);

/// After how many looks at the audit log expired keys are removed: some once a minute.
const SWEEP: u32 = 150;

/// How long it rests after a failure, so that a database that is away is not one line of the log after the other.
const REST: Duration = Duration::from_secs(5);

/// Does all jobs, for ever. Ends only by being dropped, at any moment: each step is one atomic write.
pub async fn run(service: Arc<Service>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in (0..SWEEP).cycle() {
        ticks.tick().await;
        let mut well = report("chaining the audit log", service.chain_audit_log().await.map(|_| ()));
        if tick == 0 {
            well &= report("removing expired keys", service.sweep_idempotency_keys().await);
        }
        if !well {
            sleep(REST).await;
        }
    }
}

/// Whether all went well; if not, one line for the operator.
fn report(job: &'static str, done: Result<()>) -> bool {
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
