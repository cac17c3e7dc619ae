//! A runner's configuration as it changes.
//!
//! ```text
//!  writer -> Signal -> Hub (wakes, and asks for revisions once a second) -> Tail of the runner -> watchers
//!                                                                            reads the change log once
//! ```
//!
//! A watcher subscribes first and then reads what it missed, so there is no gap; it passes over what it has
//! seen already, so nothing comes out of order.
mod events;
mod hub;
mod snapshot;
mod tail;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::broadcast, time::Instant};
use uuid::Uuid;

pub(super) use self::hub::Hub;
use self::{events::resolve, tail::Tail};
pub use self::{
    events::{Event, Gone, Object, Seen},
    snapshot::{Objects, Snapshot},
};
use super::{KEEP_ALIVE, KnownConfiguration, Service, revocations::TokenWatch};
use crate::{
    domain::{
        access::Caller,
        id::{OrganizationId, RunnerId},
    },
    error::{Error, Kind, Result},
    store::Store,
};

/// How many missed changes are read at once.
const CHUNK: u32 = 256;
/// When one who was cut off may come back.
const RETRY: Duration = Duration::from_secs(1);

/// What a watcher gets next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Everything, replacing what it had.
    Snapshot(Arc<Snapshot>),
    /// One change.
    Change(Arc<Event>),
    /// Nothing happened since this revision.
    KeepAlive(u64),
}

/// One agent's view of its runner's configuration.
pub struct Watch {
    store: Arc<Store>,
    /// The history that the revisions belong to.
    pub epoch: Uuid,
    organization: OrganizationId,
    token: TokenWatch,
    tail: Arc<Tail>,
    live: broadcast::Receiver<Arc<Event>>,
    /// What the watcher is at.
    last: u64,
    /// Up to here it is behind what `live` will bring.
    behind: u64,
    ready: VecDeque<Step>,
    keep_alive: Instant,
}

impl Service {
    /// Follows the calling runner's configuration from what the agent has.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anybody but a runner.
    pub async fn watch_configuration(&self, caller: &Caller, known: &KnownConfiguration) -> Result<Watch> {
        let runner = caller.runner()?;
        let tail = self.hub.tail(&self.store, caller.organization, runner).await?;
        let (live, position) = tail.subscribe();
        let mut watch = Watch {
            store: Arc::clone(&self.store),
            epoch: self.epoch,
            organization: caller.organization,
            token: self.watch_token(caller.token.clone()),
            tail,
            live,
            last: known.revision,
            behind: position,
            ready: VecDeque::new(),
            keep_alive: Instant::now() + KEEP_ALIVE,
        };
        let same_history = known.epoch == self.epoch.to_string() && known.revision > 0;
        if !same_history || !watch.can_resume(runner).await? {
            watch.start_anew().await?;
        }
        Ok(watch)
    }
}

impl Watch {
    /// Whether the log still has everything after what the agent has.
    async fn can_resume(&mut self, runner: RunnerId) -> Result<bool> {
        let current = self.store.revision(runner).await?.ok_or_else(|| Error::not_found("runner"))?;
        if self.last >= current {
            return Ok(self.last == current);
        }
        let next = self.store.changes_after(runner, self.last, 1).await?;
        Ok(next.first().is_some_and(|change| change.revision() == self.last + 1))
    }

    async fn start_anew(&mut self) -> Result<()> {
        let snapshot = self.tail.snapshot(&self.store, self.behind).await?;
        self.last = snapshot.runner.revision;
        self.ready.push_back(Step::Snapshot(snapshot));
        Ok(())
    }

    /// The next step; waits for it. Nothing is lost if the wait is given up.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] for one who reads too slowly, [`Kind::Unavailable`] if the log broke off under it,
    /// [`Kind::Unauthenticated`] once the token is worth nothing. All mean: watch again from the last revision.
    pub async fn next(&mut self) -> Result<Step> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(self.advance(step));
            }
            if self.last < self.behind {
                self.catch_up().await?;
                continue;
            }
            let event = tokio::select! {
                biased;
                () = self.token.stirred() => {
                    self.token.require().await?;
                    continue;
                }
                event = self.live.recv() => event,
                () = tokio::time::sleep_until(self.keep_alive) => {
                    self.token.require().await?;
                    self.keep_alive = Instant::now() + KEEP_ALIVE;
                    return Ok(Step::KeepAlive(self.last));
                }
            };
            match event {
                Ok(event) if event.revision <= self.last => {}
                Ok(event) if event.revision == self.last + 1 => return Ok(self.advance(Step::Change(event))),
                Ok(_) | Err(broadcast::error::RecvError::Closed) => return Err(broken()),
                Err(broadcast::error::RecvError::Lagged(_)) => return Err(too_slow()),
            }
        }
    }

    fn advance(&mut self, step: Step) -> Step {
        if let Step::Change(event) = &step {
            self.last = event.revision;
        }
        self.keep_alive = Instant::now() + KEEP_ALIVE;
        step
    }

    /// Reads what happened before the subscription.
    async fn catch_up(&mut self) -> Result<()> {
        let changes = self.store.changes_after(self.tail.runner, self.last, CHUNK).await?;
        let events = resolve(&self.store, self.organization, self.tail.runner, &changes).await?;
        if events.first().is_none_or(|event| event.revision != self.last + 1) {
            return Err(broken());
        }
        self.ready.extend(events.into_iter().map(|event| Step::Change(Arc::new(event))));
        Ok(())
    }
}

fn broken() -> Error {
    Error::new(Kind::Unavailable, "the configuration cannot be followed from here: watch it again")
        .retry_after(RETRY)
}

fn too_slow() -> Error {
    Error::new(Kind::Exhausted, "changes come faster than they are read: watch again from the last revision")
        .retry_after(RETRY)
}
