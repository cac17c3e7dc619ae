//! All tails of this server.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::broadcast::error::RecvError, time::interval};

use super::tail::{Reading, Tail};
use crate::{
    domain::id::{OrganizationId, RunnerId},
    error::{Error, Kind, Result},
    store::{Signal, Store},
};

/// How often revisions are compared, whatever hints came: a hint may be lost.
const POLL: Duration = Duration::from_secs(1);

type Tails = HashMap<RunnerId, Arc<Tail>>;

/// The tails of all runners that are watched here.
#[derive(Default)]
pub(in crate::service) struct Hub(Arc<Mutex<Tails>>);

impl Hub {
    fn tails(&self) -> MutexGuard<'_, Tails> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tail of a runner, started if nobody has watched it yet.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the runner is gone.
    pub(super) async fn tail(
        &self,
        store: &Arc<Store>,
        organization: OrganizationId,
        runner: RunnerId,
    ) -> Result<Arc<Tail>> {
        if let Some(tail) = self.tails().get(&runner) {
            return Ok(Arc::clone(tail));
        }
        let position = store.revision(runner).await?.ok_or_else(|| Error::not_found("runner"))?;
        let fresh = Arc::new(Tail::new(organization, runner, position));
        let tail = Arc::clone(self.tails().entry(runner).or_insert_with(|| Arc::clone(&fresh)));
        if Arc::ptr_eq(&tail, &fresh) {
            let hub = Self(Arc::clone(&self.0));
            tokio::spawn(hub.follow(Arc::clone(store), Arc::clone(&tail)));
        }
        Ok(tail)
    }

    /// Reads one tail whenever it is woken, until nobody watches it any more.
    async fn follow(self, store: Arc<Store>, tail: Arc<Tail>) {
        loop {
            tail.wake.notified().await;
            if tail.has_ended() {
                return;
            }
            match tail.read(&store).await {
                Ok(Reading::UpToDate) => {}
                Ok(Reading::Broken) => break,
                Err(error) if error.kind() == Kind::NotFound => break,
                Err(error) => tracing::warn!(%error, runner = %tail.runner, "the change log cannot be read"),
            }
            let mut tails = self.tails();
            // Nobody can subscribe meanwhile: that takes a look into `tails` first.
            if tail.is_idle() && Arc::strong_count(&tail) <= 2 {
                tails.remove(&tail.runner);
                return;
            }
        }
        self.tails().remove(&tail.runner);
        tail.end();
    }

    /// Wakes tails that a hint is about, and once a second all whose revision has moved.
    pub(in crate::service) async fn run(&self, store: Arc<Store>) {
        let mut signals = store.signals();
        let mut poll = interval(POLL);
        loop {
            tokio::select! {
                signal = signals.recv() => match signal {
                    Ok(Signal::Changed(runner)) => {
                        if let Some(tail) = self.tails().get(&runner) {
                            tail.wake.notify_one();
                        }
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.tails().values().for_each(|tail| tail.wake.notify_one()),
                    Err(RecvError::Closed) => return,
                },
                _ = poll.tick() => {
                    if let Err(error) = self.compare(&store).await {
                        tracing::warn!(%error, "revisions cannot be compared");
                    }
                }
            }
        }
    }

    /// Wakes the tails that are behind, or that nobody needs any more.
    async fn compare(&self, store: &Store) -> Result<()> {
        let runners: Vec<_> = self.tails().keys().copied().collect();
        if runners.is_empty() {
            return Ok(());
        }
        let revisions: HashMap<_, _> = store.revisions(&runners).await?.into_iter().collect();
        self.tails().retain(|runner, tail| {
            let revision = revisions.get(runner);
            if revision.is_none() && runners.contains(runner) {
                // The runner is gone.
                tail.end();
                tail.wake.notify_one();
                return false;
            }
            if revision != Some(&tail.position()) || tail.is_idle() {
                tail.wake.notify_one();
            }
            true
        });
        Ok(())
    }
}
