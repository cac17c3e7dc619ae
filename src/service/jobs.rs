//! What a server does of itself, beside answering. Every server of a database runs the same jobs; leases decide
//! which one works.
use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::Service;
use crate::error::Kind;

/// How often it looks whether there is work. Entries are to be chained within a second.
const TICK: Duration = Duration::from_millis(400);

/// Does all jobs, for ever. Ends only by being dropped, at any moment: each step is one atomic write.
pub async fn run(service: Arc<Service>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match service.chain_audit_log().await {
            Ok(_) => {}
            // The other server goes on.
            Err(error) if error.kind() == Kind::Conflict => tracing::debug!(%error, "chaining the audit log"),
            Err(error) => tracing::warn!(%error, "chaining the audit log"),
        }
    }
}
