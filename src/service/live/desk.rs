//! Where calls and the agents that are connected to this server meet.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast::error::RecvError, mpsc},
    time::interval,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Asked;
use crate::{
    clock::Instant,
    domain::{
        id::{AgentId, CallId, RunnerId},
        live_call::{BUDGET, OFFER_SAME},
    },
    service::Service,
    store::Signal,
};

/// How often calls are looked for while some are open here.
const POLL: Duration = Duration::from_millis(250);
/// How much more seldom otherwise: a hint from another server may be lost.
const SELDOM: u32 = 4;

/// All of it.
#[derive(Clone, Default)]
pub(in crate::service) struct Desk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    stations: HashMap<RunnerId, Vec<Station>>,
    waiting: HashMap<CallId, Arc<Notify>>,
}

/// One stream that takes calls.
struct Station {
    stream: Uuid,
    agent: AgentId,
    capacity: usize,
    /// What it works on.
    held: HashMap<CallId, Held>,
    offers: mpsc::UnboundedSender<Asked>,
}

/// A call that an agent works on.
struct Held {
    attempt: u32,
    since: Instant,
    /// When nobody waits for it any more.
    until: Instant,
}

impl Station {
    fn free(&self) -> usize {
        self.capacity.saturating_sub(self.held.len())
    }

    /// Room for new calls, and for those it has for so long that it may not know of them.
    fn room(&self, now: Instant) -> usize {
        let lost = |held: &&Held| held.attempt == 1 && held.since.plus(OFFER_SAME) <= now;
        self.free() + self.held.values().filter(lost).count()
    }
}

/// Somebody waits for a call's answer, until this is dropped.
pub(super) struct Waiting {
    desk: Desk,
    id: CallId,
    notify: Arc<Notify>,
}

impl Waiting {
    /// Completes when there may be an answer.
    pub(super) async fn notified(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.desk.state().waiting.remove(&self.id);
    }
}

/// A place at an agent for one call, which is about to be stored.
pub(super) struct Reserved {
    pub(super) agent: AgentId,
    id: CallId,
    offers: mpsc::UnboundedSender<Asked>,
}

impl Reserved {
    /// The call is stored: to the agent with it.
    pub(super) fn hand_over(self, now: Instant, question: Zeroizing<Vec<u8>>) {
        let deadline = now.plus(BUDGET);
        // If the stream has ended meanwhile the call is offered again.
        let _ = self.offers.send(Asked { id: self.id, attempt: 1, deadline, question });
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a station for an agent; what it is offered.
    pub(super) fn open(
        &self,
        runner: RunnerId,
        agent: AgentId,
        stream: Uuid,
        capacity: usize,
    ) -> mpsc::UnboundedReceiver<Asked> {
        let (offers, asked) = mpsc::unbounded_channel();
        let station = Station { stream, agent, capacity, held: HashMap::new(), offers };
        self.state().stations.entry(runner).or_default().push(station);
        asked
    }

    /// Closes a station.
    pub(super) fn close(&self, runner: RunnerId, stream: Uuid) {
        let mut state = self.state();
        if let Some(stations) = state.stations.get_mut(&runner) {
            stations.retain(|station| station.stream != stream);
            if stations.is_empty() {
                state.stations.remove(&runner);
            }
        }
    }

    /// Waits for the answer to a call.
    pub(super) fn wait_for(&self, id: CallId) -> Waiting {
        let notify = Arc::<Notify>::default();
        self.state().waiting.insert(id, Arc::clone(&notify));
        Waiting { desk: self.clone(), id, notify }
    }

    /// A place at the agent here that has most of them, or at `only` that one, if there is any.
    pub(super) fn reserve(
        &self,
        runner: RunnerId,
        only: Option<AgentId>,
        id: CallId,
        now: Instant,
    ) -> Option<Reserved> {
        let mut state = self.state();
        let stations = state.stations.get_mut(&runner)?.iter_mut();
        let meant = stations.filter(|station| only.is_none_or(|agent| station.agent == agent));
        let station = meant.max_by_key(|station| station.free())?;
        if station.free() == 0 {
            return None;
        }
        station.held.insert(id, Held { attempt: 1, since: now, until: now.plus(BUDGET) });
        Some(Reserved { agent: station.agent, id, offers: station.offers.clone() })
    }

    /// Reacts to hints, and looks by itself.
    pub(super) async fn run(&self, service: &Service) {
        let mut signals = service.store.signals();
        let mut poll = interval(POLL);
        let mut round: u32 = 0;
        loop {
            tokio::select! {
                signal = signals.recv() => match signal {
                    Ok(Signal::Called(runner)) => self.offer(service, runner).await,
                    Ok(Signal::Answered(id)) => {
                        for runner in self.release(id) {
                            self.offer(service, runner).await;
                        }
                    }
                    Ok(Signal::Changed(_)) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                _ = poll.tick() => {
                    round = round.wrapping_add(1);
                    self.forget(service.now());
                    let seldom = service.store.is_shared() && round.is_multiple_of(SELDOM);
                    if self.is_busy() || (seldom && self.has_stations()) {
                        self.look(service).await;
                    }
                }
            }
        }
    }

    /// A call was answered: tells who waits, and frees its places; runners with an agent that was full.
    pub(super) fn release(&self, id: CallId) -> Vec<RunnerId> {
        let mut state = self.state();
        if let Some(notify) = state.waiting.get(&id) {
            notify.notify_one();
        }
        let mut freed = Vec::new();
        for (runner, stations) in &mut state.stations {
            for station in stations {
                let full = station.free() == 0;
                if station.held.remove(&id).is_some() && full {
                    freed.push(*runner);
                }
            }
        }
        freed
    }

    /// What an agent has not answered in time takes no place any more.
    fn forget(&self, now: Instant) {
        for station in self.state().stations.values_mut().flatten() {
            station.held.retain(|_, held| held.until > now);
        }
    }

    fn is_busy(&self) -> bool {
        let state = self.state();
        !state.waiting.is_empty() || state.stations.values().flatten().any(|station| !station.held.is_empty())
    }

    fn is_awaited(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    fn has_stations(&self) -> bool {
        !self.state().stations.is_empty()
    }

    /// Tells those whose calls are answered, whatever hints were lost, and offers what is to be offered.
    async fn look(&self, service: &Service) {
        if self.is_awaited() {
            match service.store.answered_calls().await {
                Ok(calls) => calls.into_iter().for_each(|id| drop(self.release(id))),
                Err(error) => tracing::warn!(%error, "answers cannot be looked for"),
            }
        }
        match service.store.runners_with_calls(service.now()).await {
            Ok(runners) => {
                for runner in runners {
                    self.offer(service, runner).await;
                }
            }
            Err(error) => tracing::warn!(%error, "calls cannot be looked for"),
        }
    }

    /// Claims a runner's calls for its agents here, as many as they have room for.
    async fn offer(&self, service: &Service, runner: RunnerId) {
        let now = service.now();
        for (stream, agent, room) in self.rooms(runner, now) {
            let offers = match service.store.claim_calls(runner, agent, now, room).await {
                Ok(offers) => offers,
                Err(error) => {
                    tracing::warn!(%error, "calls cannot be claimed");
                    return;
                }
            };
            for offer in offers {
                match service.open_call("live_call.request", runner, offer.id, &offer.request) {
                    Ok(question) => {
                        let (id, attempt, deadline) = (offer.id, offer.attempt, offer.deadline);
                        self.hand(runner, stream, now, Asked { id, attempt, deadline, question });
                    }
                    Err(error) => tracing::error!(%error, "a stored call cannot be opened"),
                }
            }
        }
    }

    /// The stations of a runner that have room, those with most of it first.
    fn rooms(&self, runner: RunnerId, now: Instant) -> Vec<(Uuid, AgentId, usize)> {
        let state = self.state();
        let stations = state.stations.get(&runner).into_iter().flatten();
        let mut rooms: Vec<_> =
            stations.map(|one| (one.stream, one.agent, one.room(now))).filter(|room| room.2 > 0).collect();
        rooms.sort_by_key(|room| std::cmp::Reverse(room.2));
        rooms
    }

    fn hand(&self, runner: RunnerId, stream: Uuid, now: Instant, asked: Asked) {
        let mut state = self.state();
        let stations = state.stations.get_mut(&runner).into_iter().flatten();
        if let Some(station) = stations.into_iter().find(|station| station.stream == stream) {
            let held = Held { attempt: asked.attempt, since: now, until: asked.deadline };
            station.held.insert(asked.id, held);
            let _ = station.offers.send(asked);
        }
    }
}
