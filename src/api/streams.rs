//! The lane of long-lived streams: how many there may be, and how they end.
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Stream, future::BoxFuture, stream};
use tonic::Status;
use uuid::Uuid;

use super::health::Health;
use crate::{
    domain::id::{AgentId, RunnerId},
    error::{Error, Kind, Result},
};

/// Streams in all.
const IN_ALL: usize = 4_096;
/// Streams of one owner.
const PER_OWNER: usize = 16;
/// When one who was refused or cut off may come back.
const RETRY: Duration = Duration::from_secs(1);

/// What a server-streaming method answers.
pub(super) type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Whose stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// One agent of a runner.
    Agent(RunnerId, AgentId),
    /// A person or a machine.
    Principal(Uuid),
}

/// Counts open streams. Clones share one count.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    all: usize,
    owners: HashMap<Owner, usize>,
}

/// The right to one stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lane: Lane,
    owner: Owner,
}

impl Lane {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more stream of an owner.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] if the owner, or the server, has too many.
    pub(super) fn enter(&self, owner: Owner) -> Result<Place> {
        let mut count = self.count();
        if count.all >= IN_ALL || count.owners.get(&owner).is_some_and(|open| *open >= PER_OWNER) {
            return Err(Error::new(Kind::Exhausted, "too many open streams").retry_after(RETRY));
        }
        count.all += 1;
        *count.owners.entry(owner).or_default() += 1;
        Ok(Place { lane: self.clone(), owner })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.lane.count();
        count.all -= 1;
        if let Some(open) = count.owners.get_mut(&self.owner) {
            *open -= 1;
            if *open == 0 {
                count.owners.remove(&self.owner);
            }
        }
    }
}

/// Something that goes on until it is over or fails.
pub(super) trait Source: Send + 'static {
    /// One message.
    type Item: Send + 'static;

    /// Waits for the next message. Giving up the wait loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Result<Self::Item>>;

    /// Whether the last message was the last of all.
    fn is_over(&self) -> bool {
        false
    }
}

struct Open<S> {
    source: S,
    stopping: BoxFuture<'static, ()>,
    _place: Place,
}

/// Everything that comes from `source`, in its place, until it is over or fails, or the server stops.
pub(super) fn events<S: Source>(source: S, place: Place, health: &Health) -> Events<S::Item> {
    let open = Open { source, stopping: Box::pin(health.stopping()), _place: place };
    Box::pin(stream::unfold(Some(open), |open| async {
        let mut open = open.filter(|open| !open.source.is_over())?;
        let next = tokio::select! {
            biased;
            () = &mut open.stopping => Err(stopping()),
            next = open.source.next() => next,
        };
        Some(match next {
            Ok(item) => (Ok(item), Some(open)),
            Err(error) => (Err(error.into()), None),
        })
    }))
}

fn stopping() -> Error {
    Error::new(Kind::Unavailable, "the server is shutting down").retry_after(RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_has_sixteen_places_and_gives_them_back() {
        let lane = Lane::default();
        let agent = |id| Owner::Agent(RunnerId(Uuid::nil()), AgentId(id));
        let owner = agent(Uuid::nil());
        let mut places: Vec<_> = (0..16).map(|_| lane.enter(owner).unwrap()).collect();
        assert_eq!(lane.enter(owner).unwrap_err().kind(), Kind::Exhausted);
        assert!(lane.enter(agent(Uuid::max())).is_ok());
        places.pop();
        assert!(lane.enter(owner).is_ok());
        drop(places);
        assert!(lane.count().owners.is_empty() && lane.count().all == 0);
    }

    #[test]
    fn the_lane_is_full_at_some_point() {
        let lane = Lane::default();
        let owner = |n: u128| Owner::Agent(RunnerId(Uuid::nil()), AgentId(Uuid::from_u128(n)));
        let places: Vec<_> = (0..4_096).map(|n| lane.enter(owner(n)).unwrap()).collect();
        assert_eq!(lane.enter(owner(5_000)).unwrap_err().kind(), Kind::Exhausted);
        drop(places);
        assert!(lane.enter(owner(5_000)).is_ok());
    }
}
