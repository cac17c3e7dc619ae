//! Renews credentials: what a forge gave is not given up before the server has it.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{interval, timeout};

use super::{
    calls::{Answering, WAY_BACK},
    heartbeat,
};
use crate::{
    agent::{
        backoff::Backoff,
        calls::{Desk, Failure},
    },
    client::Code,
    error::Result,
    pb::sealink::v1::{
        HeartbeatRequest, RefreshHostTokenCall, send_response_request::Result as Reply,
        watch_requests_response::Call,
    },
};

/// How long a renewed credential is offered to a server that does not take it.
const RENEWAL: Duration = Duration::from_mins(15);
/// How often what nobody counts on any more is looked for.
const TIDY: Duration = Duration::from_mins(1);
/// The outcome of a renewal that the server has.
const DELIVERED: &str = "OK";
/// The outcome of one that it never confirmed.
const UNDELIVERED: &str = "UNDELIVERED";

impl Answering {
    /// Renews a credential. Once the forge is asked the old one may be spent: so this is not given up with the call,
    /// and the answer is sent until the server takes it or says why not.
    pub(super) async fn renew(
        &self,
        id: &str,
        remaining: Duration,
        revision: u64,
        call: &RefreshHostTokenCall,
    ) -> &'static str {
        if timeout(remaining.saturating_sub(WAY_BACK), self.desk.caught_up(revision)).await.is_err() {
            return Failure::late().label();
        }
        let (token, started, mut backoff) = (&call.token_id, Instant::now(), Backoff::default());
        loop {
            // The desk keeps what the forge gave, so that it is asked once.
            let renewed = match self.desk.answer(id, Call::RefreshHostToken(call.clone())).await {
                Ok(renewed) => renewed,
                Err(failure) => {
                    let outcome = failure.label();
                    self.send(id, Reply::Error(failure.into())).await;
                    return outcome;
                }
            };
            match self.shared.client.call(&self.response(id, renewed)).await {
                Ok(_) => {
                    self.desk.renewed(token);
                    return DELIVERED;
                }
                // The runner's key was replaced: sealed to the new one it is taken.
                Err(error) if error.code() == Some(Code::FailedPrecondition) => self.learn_key().await,
                // The desk keeps it all the same: another call may be about to ask for it.
                Err(error) if error.code().is_some_and(is_final) => {
                    tracing::info!(%error, host_token = token, "a renewed credential is not taken");
                    return UNDELIVERED;
                }
                Err(error) => tracing::info!(%error, "a renewed credential did not arrive; sending it again"),
            }
            if started.elapsed() > RENEWAL {
                tracing::warn!(host_token = token, "a renewed credential never arrived");
                return UNDELIVERED;
            }
            // Also after an error that the server thinks is in vain to try again: other clients have less to lose.
            backoff.wait().await;
            // Who was asked the same later has brought it there: the forge must not be asked once more.
            if !self.desk.keeps(token) {
                return DELIVERED;
            }
        }
    }

    /// Asks which key the server wants secrets sealed to; if it cannot be asked, the heartbeat will.
    async fn learn_key(&self) {
        let request = HeartbeatRequest { agent_id: self.shared.agent_id.clone() };
        let Ok(answer) = self.shared.client.call(&request).await else { return };
        if let Err(error) = heartbeat::hold_active_key(&self.shared, &answer.active_kid).await {
            tracing::debug!(%error, "the new key is not here yet");
        }
    }
}

/// Wipes what forges gave and nobody asks for any more, as long as the agent lives.
pub(super) async fn tidy(desk: Arc<Desk>) -> Result<()> {
    let mut due = interval(TIDY);
    loop {
        due.tick().await;
        desk.tidy();
    }
}

/// Whether the server has no use for the credential, and never will. Anything else may pass: a full disk, a conflict, a
/// time that was up, a fault. So may a second answer to one call: once nobody waits for the call any more, that is
/// [`Code::NotFound`].
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unimplemented
            | Code::Unauthenticated
    )
}
