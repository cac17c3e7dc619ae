//! The end of one runner's change log, read once for all who watch it.
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, Notify, broadcast},
    time::sleep,
};

use super::{
    events::{Event, resolve},
    snapshot::Snapshot,
};
use crate::{
    domain::id::{OrganizationId, RunnerId},
    error::Result,
    store::Store,
};

/// How many events a watcher may be behind before it is cut off.
const BUFFER: usize = 256;
/// How many changes are read at once; half of the buffer, so that who keeps up is never cut off.
const CHUNK: u32 = 64;
/// How far behind the slowest watcher may be before the next changes are held back, and how long.
const HOLD: usize = 128;
const HOLD_STEP: Duration = Duration::from_millis(5);
const HOLD_STEPS: u32 = 200;

/// One runner's change log as it grows.
pub(super) struct Tail {
    organization: OrganizationId,
    pub(super) runner: RunnerId,
    /// Told when there may be more.
    pub(super) wake: Notify,
    /// The sender, and the revision of what it sent last: both change together.
    state: Mutex<State>,
    /// Shared by those who need one at the same time.
    snapshot: AsyncMutex<Weak<Snapshot>>,
}

struct State {
    sender: Option<broadcast::Sender<Arc<Event>>>,
    position: u64,
}

impl Tail {
    /// A tail that goes on after `position`.
    pub(super) fn new(organization: OrganizationId, runner: RunnerId, position: u64) -> Self {
        let sender = Some(broadcast::channel(BUFFER).0);
        Self {
            organization,
            runner,
            wake: Notify::new(),
            state: Mutex::new(State { sender, position }),
            snapshot: AsyncMutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event after the returned revision. A tail that has ended answers one that ends at once.
    pub(super) fn subscribe(&self) -> (broadcast::Receiver<Arc<Event>>, u64) {
        let state = self.state();
        let events = match &state.sender {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        };
        (events, state.position)
    }

    /// The revision of what was sent last.
    pub(super) fn position(&self) -> u64 {
        self.state().position
    }

    /// Whether nobody watches.
    pub(super) fn is_idle(&self) -> bool {
        self.state().sender.as_ref().is_none_or(|sender| sender.receiver_count() == 0)
    }

    /// Whether it was ended.
    pub(super) fn has_ended(&self) -> bool {
        self.state().sender.is_none()
    }

    /// Ends it, and everybody's watching with it.
    pub(super) fn end(&self) {
        self.state().sender = None;
    }

    /// The whole configuration at `revision` or later.
    pub(super) async fn snapshot(&self, store: &Store, revision: u64) -> Result<Arc<Snapshot>> {
        let mut shared = self.snapshot.lock().await;
        if let Some(snapshot) = shared.upgrade().filter(|snapshot| snapshot.runner.revision >= revision) {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(Snapshot::read(store, self.organization, self.runner).await?);
        *shared = Arc::downgrade(&snapshot);
        Ok(snapshot)
    }

    /// Sends what is new.
    ///
    /// # Errors
    /// Those of the database; then it is read again with the next wake.
    pub(super) async fn read(&self, store: &Store) -> Result<Reading> {
        loop {
            let position = self.position();
            let changes = store.changes_after(self.runner, position, CHUNK).await?;
            let Some(first) = changes.first() else { return Ok(Reading::UpToDate) };
            if first.revision() != position + 1 {
                // What came before is forgotten: everybody needs a snapshot.
                return Ok(Reading::Broken);
            }
            let events = resolve(store, self.organization, self.runner, &changes).await?;
            self.hold_back().await;
            let mut state = self.state();
            for event in events {
                state.position = event.revision;
                let _ = state.sender.as_ref().map(|sender| sender.send(Arc::new(event)));
            }
        }
    }

    /// Gives those who read slowly a moment, and then no more.
    async fn hold_back(&self) {
        for _ in 0..HOLD_STEPS {
            let waiting = self.state().sender.as_ref().map_or(0, broadcast::Sender::len);
            if waiting <= HOLD {
                return;
            }
            sleep(HOLD_STEP).await;
        }
    }
}

/// What came of reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Everything is sent.
    UpToDate,
    /// There is a gap: the tail must end.
    Broken,
}
