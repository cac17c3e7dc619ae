//! Calls to live agents.
//!
//! ```text
//!  caller -> ask: a row, and who waits for it -> Desk of any server that has a stream of the runner -> agent
//!  caller <- the row's answer <- Signal, or a look every 250 ms <- send_response on any server <- agent
//! ```
mod desk;
mod hosts;
mod requests;

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

pub(super) use self::desk::Desk;
pub use self::hosts::LiveHost;
pub use self::requests::{Asked, Request, Requests};
use super::{Refreshed, Service};
use crate::{
    at_rest::Location,
    clock::Instant,
    domain::{
        access::Caller,
        host_token::HostToken,
        id::{CallId, RunnerId},
        live_call::{BUDGET, CallKind, NewCall, PATIENCE},
        runner::{Runner, RunnerPhase},
        secret::Sealed,
    },
    error::{Error, Kind, Result},
    store::{NewCallRow, Progress},
};

/// How long to wait for a database that is away.
const POLL: Duration = Duration::from_millis(250);

impl Service {
    /// A fresh id for a call.
    #[must_use]
    pub fn new_call_id(&self) -> CallId {
        CallId(self.clock.new_id())
    }

    /// A runner the caller may use, whose agents live.
    ///
    /// # Errors
    /// As [`Service::runner`]; [`Kind::Precondition`] if no agent of it takes calls.
    pub async fn live_runner(&self, caller: &Caller, id: RunnerId) -> Result<Runner> {
        let runner = self.store.runner(caller.organization, id).await?;
        let runner = runner.ok_or_else(|| Error::not_found("runner"))?;
        self.role_on(caller, &runner.facts()).await?;
        self.require_live(&runner)?;
        Ok(runner)
    }

    /// A subject's credentials at the hosts of a live call, or at one host; expired ones are none.
    pub async fn live_credentials(
        &self,
        caller: &Caller,
        runner: RunnerId,
        host: Option<&str>,
    ) -> Result<Vec<(HostToken, Sealed)>> {
        let Some((id, _)) = caller.principal.member() else { return Ok(Vec::new()) };
        let now = self.now();
        let mut found = self.store.credentials(caller.organization, runner, id.0).await?;
        found.retain(|(token, _)| token.expires_at.is_none_or(|end| end > now));
        if let Some(host) = host {
            found.retain(|(token, _)| token.host.key() == host.to_ascii_lowercase());
        }
        Ok(found)
    }

    /// # Errors
    /// [`Kind::Precondition`] if no agent of the runner takes calls.
    pub fn require_live(&self, runner: &Runner) -> Result<()> {
        match runner.phase(self.now()) {
            RunnerPhase::Active | RunnerPhase::Degraded => Ok(()),
            RunnerPhase::Created | RunnerPhase::Inactive => {
                Err(Error::new(Kind::Precondition, "runner is not active"))
            }
        }
    }

    /// Asks a runner's live agents and waits for the answer: what one of them sent.
    ///
    /// # Errors
    /// [`Kind::Deadline`] if none answers in time, [`Kind::Exhausted`] if too many calls wait already.
    pub async fn ask(&self, call: NewCall) -> Result<Zeroizing<Vec<u8>>> {
        let (id, runner, now) = (call.id, call.runner, self.now());
        let answered = self.desk.wait_for(id);
        self.place(call, now).await?;
        let answer = self.await_answer(id, &answered, now.plus(PATIENCE)).await;
        self.wipe(id);
        self.open_call("live_call.answer", runner, id, &answer?)
    }

    /// Asks without waiting: the answer is for whoever takes it.
    pub(super) async fn place(&self, call: NewCall, now: Instant) -> Result<()> {
        let NewCall { id, runner, kind, question, meant_for } = call;
        let question = Zeroizing::new(question);
        let claim = self.desk.reserve(runner, meant_for, id, now);
        let row = NewCallRow {
            id,
            runner,
            kind,
            request: self.seal_call("live_call.request", runner, id, &question)?,
            now,
            deadline: now.plus(PATIENCE),
            meant_for,
            claim: claim.as_ref().map(|reserved| reserved.agent),
        };
        if let Err(error) = self.store.open_call(row).await {
            self.desk.release(id);
            return Err(error);
        }
        if let Some(reserved) = claim {
            reserved.hand_over(now, question);
        }
        Ok(())
    }

    /// The desk looks for answers to all calls at once, so that waiting costs no query.
    async fn await_answer(&self, id: CallId, answered: &desk::Waiting, last: Instant) -> Result<Vec<u8>> {
        let mut until = self.now().plus(BUDGET);
        loop {
            let _ = timeout(Self::until(self.now(), until), answered.notified()).await;
            match self.store.call_progress(id).await {
                Ok(Progress::Answered(answer)) => return Ok(answer),
                Ok(Progress::Open(deadline)) if deadline > self.now() => until = deadline,
                Ok(Progress::Gone) => return Err(Error::not_found("runner")),
                // The database may be back in time.
                Err(error) if error.kind() == Kind::Unavailable && last > self.now() => {
                    sleep(POLL).await;
                }
                Err(error) if error.kind() != Kind::Unavailable => return Err(error),
                Ok(Progress::Open(_)) | Err(_) => {
                    return Err(Error::new(Kind::Deadline, "the runner did not answer in time"));
                }
            }
        }
    }

    /// Nobody waits for what a finished call carried.
    fn wipe(&self, id: CallId) {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            if let Err(error) = store.wipe_call(id).await {
                tracing::debug!(%error, "a call is wiped with its deadline");
            }
        });
    }

    /// Takes an agent's answer; `kind` is what it answers, `None` for an error. `refreshed` is what it means to a
    /// host token, which is stored whoever asked: what a forge has renewed is worth nothing twice.
    ///
    /// # Errors
    /// Those of storing it; unless it is stored, [`Kind::NotFound`] if nobody waits for it, [`Kind::Conflict`] if it
    /// was answered already, [`Kind::Invalid`] if something else was asked.
    pub async fn send_response(
        &self,
        caller: &Caller,
        id: CallId,
        (kind, answer): (Option<CallKind>, Vec<u8>),
        refreshed: Option<Refreshed>,
    ) -> Result<()> {
        let runner = caller.runner()?;
        let answer = self.seal_call("live_call.answer", runner, id, &Zeroizing::new(answer))?;
        let taken = match refreshed {
            Some(refreshed) => self.finish_refresh(caller, id, refreshed).await?,
            None => false,
        };
        let stored = self.store.answer_call(runner, id, kind, answer, self.now()).await;
        if !taken {
            return stored;
        }
        // It is stored where it belongs, and nobody waits for the call itself: an agent that were told of a fault here
        // would send it again.
        self.wipe(id);
        if let Err(error) = stored {
            tracing::debug!(%error, "a host token is renewed beside its call");
        }
        Ok(())
    }

    fn seal_call(
        &self,
        column: &'static str,
        runner: RunnerId,
        id: CallId,
        bytes: &Zeroizing<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let (runner, id) = (runner.to_string(), id.to_string());
        self.ring().keyring.seal(&location(column, &runner, &id), bytes)
    }

    fn open_call(
        &self,
        column: &'static str,
        runner: RunnerId,
        id: CallId,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let (runner, id) = (runner.to_string(), id.to_string());
        self.ring().keyring.open(&location(column, &runner, &id), sealed)
    }

    /// Offers what is to be offered, as hints come and every now and then.
    pub(super) async fn offer_calls(&self) {
        self.desk.run(self).await;
    }

    /// Deletes calls and flows whose time is up.
    pub(super) async fn forget_calls(&self) {
        let mut due = tokio::time::interval(Duration::from_secs(5));
        loop {
            due.tick().await;
            if let Err(error) = self.store.forget_calls(self.now()).await {
                tracing::debug!(%error, "old calls cannot be forgotten");
            }
            if let Err(error) = self.store.forget_oauth_tickets(self.now()).await {
                tracing::debug!(%error, "old flows cannot be forgotten");
            }
        }
    }

    /// How long it is from `now` until `then`.
    fn until(now: Instant, then: Instant) -> Duration {
        Duration::from_micros(then.0.saturating_sub(now.0).try_into().unwrap_or(0))
    }
}

fn location<'a>(column: &'static str, runner: &'a str, id: &'a str) -> Location<'a> {
    Location { table_and_column: column, owner_id: runner, row_id: id, url_origin: "" }
}
