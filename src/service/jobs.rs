//! What the server does without being asked.
use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::interval};

use super::Service;

/// How often the change logs are cleaned up.
const CLEAN_UP: Duration = Duration::from_hours(1);
/// How long a change is remembered at least, and how many of a runner's newest.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
const KEPT: u32 = 100_000;

/// The running jobs; dropping it ends them.
#[derive(Debug)]
pub struct Jobs(JoinSet<()>);

impl Jobs {
    /// Ends them, and waits until they have.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

impl Service {
    /// Starts every job. Each may run on any number of servers at once.
    #[must_use]
    pub fn start_jobs(self: &Arc<Self>) -> Jobs {
        let mut jobs = JoinSet::new();
        let service = Arc::clone(self);
        jobs.spawn(async move { service.hub.run(Arc::clone(&service.store)).await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.forget_changes().await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.offer_calls().await });
        let service = Arc::clone(self);
        jobs.spawn(async move { service.forget_calls().await });
        Jobs(jobs)
    }

    async fn forget_changes(&self) {
        let mut due = interval(CLEAN_UP);
        loop {
            due.tick().await;
            match self.store.forget_changes(self.now().minus(REMEMBERED), KEPT).await {
                Ok(0) => {}
                Ok(changes) => tracing::info!(changes, "old changes are forgotten"),
                Err(error) => tracing::warn!(%error, "old changes cannot be forgotten"),
            }
        }
    }
}
