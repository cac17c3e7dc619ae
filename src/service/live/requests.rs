//! An agent's stream of calls.
use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant as Moment};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Desk;
use crate::{
    clock::Instant,
    domain::{
        access::Caller,
        id::{AgentId, CallId, RunnerId},
    },
    error::Result,
    service::{KEEP_ALIVE, Service, revocations::TokenWatch},
    store::{Agent, StreamChange},
};

/// How many calls an agent works on if it does not say.
const USUAL_CAPACITY: usize = 16;
const MOST_CAPACITY: usize = 256;

/// A call on its way to an agent.
#[derive(Debug)]
pub struct Asked {
    /// The call.
    pub id: CallId,
    /// 1, or 2 if it was offered before.
    pub attempt: u32,
    /// When nobody waits any more.
    pub deadline: Instant,
    /// What is asked.
    pub question: Zeroizing<Vec<u8>>,
}

/// What an agent gets next.
#[derive(Debug)]
pub enum Request {
    /// A call to answer, how long there is for it, and the revision of the runner's configuration.
    Call(Asked, Duration, u64),
    /// Nothing happened.
    KeepAlive,
}

/// One agent's stream of calls; dropping it ends it.
pub struct Requests {
    service: Arc<Service>,
    desk: Desk,
    runner: RunnerId,
    agent: AgentId,
    token: TokenWatch,
    stream: Uuid,
    asked: mpsc::UnboundedReceiver<Asked>,
    keep_alive: Moment,
    /// Whether the database was told just now that the stream is open.
    told: bool,
}

impl Service {
    /// Takes calls for an agent of the calling runner, `capacity` at once; 0 means 16.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) for anybody but a runner.
    pub async fn watch_requests(
        self: &Arc<Self>,
        caller: &Caller,
        agent: AgentId,
        capacity: u32,
    ) -> Result<Requests> {
        let runner = caller.runner()?;
        let capacity = match usize::try_from(capacity).unwrap_or(MOST_CAPACITY) {
            0 => USUAL_CAPACITY,
            some => some.min(MOST_CAPACITY),
        };
        let stream = self.clock.new_id();
        let requests = Requests {
            service: Arc::clone(self),
            desk: self.desk.clone(),
            runner,
            agent,
            token: self.watch_token(caller.token.clone()),
            stream,
            asked: self.desk.open(runner, agent, stream, capacity),
            keep_alive: Moment::now(),
            told: true,
        };
        // From now on the runner counts as one that takes calls: the station is open by then.
        requests.tell(StreamChange::Open).await?;
        Ok(requests)
    }
}

impl Requests {
    async fn tell(&self, change: StreamChange) -> Result<()> {
        let agent = Agent { runner: self.runner, id: self.agent, now: self.service.now() };
        self.service.store.change_stream(agent, self.stream, change).await
    }

    /// What comes next; waits for it. Nothing is lost if the wait is given up.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`](crate::error::Kind::Unauthenticated) once the token is worth nothing.
    pub async fn next(&mut self) -> Result<Request> {
        let asked = loop {
            tokio::select! {
                biased;
                () = self.token.stirred() => self.token.require().await?,
                asked = self.asked.recv() => break asked,
                () = tokio::time::sleep_until(self.keep_alive) => break None,
            }
        };
        if let Some(asked) = asked {
            let revision = self.service.store.revision(self.runner).await?.unwrap_or_default();
            let remaining = Service::until(self.service.now(), asked.deadline);
            return Ok(Request::Call(asked, remaining, revision));
        }
        if !std::mem::take(&mut self.told) {
            self.token.require().await?;
            self.tell(StreamChange::Open).await?;
        }
        self.keep_alive = Moment::now() + KEEP_ALIVE;
        Ok(Request::KeepAlive)
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.desk.close(self.runner, self.stream);
        let (service, stream) = (Arc::clone(&self.service), self.stream);
        let agent = Agent { runner: self.runner, id: self.agent, now: service.now() };
        tokio::spawn(async move {
            if let Err(error) = service.store.change_stream(agent, stream, StreamChange::Closed).await {
                tracing::debug!(%error, "the end of a stream was not stored");
            }
        });
    }
}
