//! Takes calls off their stream, has them answered, and sends the answers.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::Shared;
use crate::{
    agent::{
        backoff::Backoff,
        calls::{Desk, Failure},
    },
    client::{ClientError, Code},
    error::Result,
    pb::sealink::v1::{
        SendResponseRequest, WatchRequestsRequest, WatchRequestsResponse,
        send_response_request::Result as Reply, watch_requests_response::Call,
    },
};

/// How many calls are worked on at once.
const CAPACITY: u32 = 16;
/// What a call may take if the server does not say.
const USUAL: Duration = Duration::from_secs(8);
/// What an answer needs to get back in time.
pub(super) const WAY_BACK: Duration = Duration::from_millis(300);
const SEND_TRIES: usize = 3;
const SEND_AGAIN: Duration = Duration::from_millis(500);

/// Answering, and what is under way.
#[derive(Clone)]
pub(super) struct Answering {
    pub(super) shared: Arc<Shared>,
    pub(super) desk: Arc<Desk>,
    under_way: Arc<UnderWay>,
}

/// Calls by id, with the latest attempt: a call that is offered again while it is worked on is not done twice.
#[derive(Default)]
struct UnderWay {
    attempts: Mutex<HashMap<String, u32>>,
    fewer: Notify,
}

impl UnderWay {
    /// Whether the call is new.
    fn begin(&self, id: &str, attempt: u32) -> bool {
        self.all().insert(id.to_owned(), attempt).is_none()
    }

    /// The attempt to answer with.
    fn attempt(&self, id: &str) -> u32 {
        self.all().get(id).copied().unwrap_or_default()
    }

    /// Nothing more is done for the call.
    fn end(&self, id: &str) {
        self.all().remove(id);
        self.fewer.notify_waiters();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.all().is_empty()
    }
}

impl Answering {
    pub(super) fn new(shared: Arc<Shared>, desk: Arc<Desk>) -> Self {
        Self { shared, desk, under_way: Arc::default() }
    }

    /// Waits for the calls under way, but no longer than `grace`.
    pub(super) async fn drain(&self, grace: Duration) {
        let done = async {
            loop {
                let fewer = self.under_way.fewer.notified();
                if self.under_way.is_empty() {
                    return;
                }
                fewer.await;
            }
        };
        let _ = timeout(grace, done).await;
    }

    /// Answers a call, and waits until the answer has arrived or nobody wants it.
    async fn answer(self, id: String, remaining: Duration, revision: u64, call: Call) {
        let name = name(&call);
        let answered = if let Call::RefreshHostToken(call) = &call {
            self.renew(&id, remaining, revision, call).await
        } else {
            let work = async {
                self.desk.caught_up(revision).await;
                self.desk.answer(&id, call).await
            };
            let answered = timeout(remaining.saturating_sub(WAY_BACK), work).await;
            let answered = answered.unwrap_or_else(|_| Err(Failure::late()));
            let outcome = outcome(&answered);
            self.send(&id, reply(answered)).await;
            outcome
        };
        tracing::info!(call = name, outcome = answered, "answered");
        self.shared.health.note(|facts| *facts.calls.entry((name, answered)).or_default() += 1);
        self.under_way.end(&id);
    }

    pub(super) fn response(&self, id: &str, result: Reply) -> SendResponseRequest {
        SendResponseRequest {
            agent_id: self.shared.agent_id.clone(),
            request_id: id.to_owned(),
            attempt: self.under_way.attempt(id),
            result: Some(result),
        }
    }

    pub(super) async fn send(&self, id: &str, result: Reply) {
        let response = self.response(id, result);
        for _ in 0..SEND_TRIES {
            match self.shared.client.call(&response).await {
                // Refused: somebody else was first, or nobody waits any more.
                Ok(_) => return,
                Err(error) if is_final(&error) => return,
                // A server that stops: another takes it.
                Err(error) => {
                    tracing::info!(%error, "an answer did not arrive; sending it again");
                    tokio::time::sleep(error.retry_after().unwrap_or(SEND_AGAIN).min(USUAL)).await;
                }
            }
        }
    }
}

fn outcome(answered: &std::result::Result<Reply, Failure>) -> &'static str {
    answered.as_ref().map_or_else(Failure::label, |_| "OK")
}

fn reply(answered: std::result::Result<Reply, Failure>) -> Reply {
    answered.unwrap_or_else(|failure| Reply::Error(failure.into()))
}

/// Whether the server said no, and will say so again.
fn is_final(error: &ClientError) -> bool {
    matches!(error, ClientError::Api(_)) && error.code() != Some(Code::Unavailable)
}

pub(super) async fn run(answering: Answering) -> Result<()> {
    let shared = Arc::clone(&answering.shared);
    let mut backoff = Backoff::default();
    loop {
        let request = WatchRequestsRequest { agent_id: shared.agent_id.clone(), capacity: CAPACITY };
        match shared.client.stream(&request).await {
            Ok(mut messages) => {
                shared.health.note(|facts| facts.listening = true);
                let ended = loop {
                    match messages.next().await {
                        Ok(Some(message)) => {
                            backoff.reset();
                            take(&answering, message);
                        }
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                shared.health.note(|facts| facts.listening = false);
                match ended {
                    Some(error) => {
                        let error = Shared::fatal(error)?;
                        tracing::info!(%error, "the stream of calls ended; listening again");
                        backoff.wait_after(&error).await;
                    }
                    None => backoff.wait().await,
                }
            }
            Err(error) => {
                let error = Shared::fatal(error)?;
                tracing::debug!(%error, "no calls can arrive");
                backoff.wait_after(&error).await;
            }
        }
    }
}

fn take(answering: &Answering, message: WatchRequestsResponse) {
    let WatchRequestsResponse { request_id, attempt, remaining, revision, call, .. } = message;
    if matches!(call, Some(Call::KeepAlive(_))) || request_id.is_empty() {
        return;
    }
    if !answering.under_way.begin(&request_id, attempt) {
        return;
    }
    let remaining = remaining.and_then(|left| Duration::try_from(left).ok()).unwrap_or(USUAL);
    let answering = answering.clone();
    tokio::spawn(async move {
        if let Some(call) = call {
            answering.answer(request_id, remaining, revision, call).await;
        } else {
            // A call of a newer server.
            let unknown = Reply::Error(Failure::unimplemented().into());
            answering.send(&request_id, unknown).await;
            answering.under_way.end(&request_id);
        }
    });
}

/// The call's name in logs and metrics.
fn name(call: &Call) -> &'static str {
    match call {
        Call::Validate(_) => "Validate",
        Call::CheckAuthenticationForHost(_) => "CheckAuthenticationForHost",
        Call::ParseContextUrl(_) => "ParseContextURL",
        Call::SearchRepositories(_) => "SearchRepositories",
        Call::ListScmOrganizations(_) => "ListSCMOrganizations",
        Call::CheckRepositoryAccess(_) => "CheckRepositoryAccess",
        Call::BeginOauth(_) => "BeginOAuth",
        Call::CompleteOauth(_) => "CompleteOAuth",
        Call::RefreshHostToken(_) => "RefreshHostToken",
        Call::TailLog(_) => "TailLog",
        Call::KeepAlive(_) => "KeepAlive",
    }
}
