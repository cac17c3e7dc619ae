//! What the handlers of live calls share: asking, and telling apart what comes back.
use tonic::Status;

use super::Api;
use crate::{
    api::convert,
    domain::{
        access::Caller,
        id::{CallId, RunnerId},
        live_call::{NewCall, unfitting},
        runner::Runner,
    },
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        CallError, LiveCaller, call_error_details::Details, send_response_request::Result as Answer,
        watch_requests_response::Call as Question,
    },
};

/// Why a question has no answer.
pub(in crate::api) enum Unanswered {
    /// It could not be asked, or nobody answered.
    Ours(Error),
    /// An agent says why.
    Agents(Status),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<Unanswered> for Status {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Ours(error) => error.into(),
            Unanswered::Agents(status) => status,
        }
    }
}

impl Api {
    /// Asks a runner's agents, on behalf of `caller` if there is one.
    pub(in crate::api) async fn ask(
        &self,
        caller: Option<&Caller>,
        runner: &Runner,
        question: Question,
    ) -> Result<Answer, Unanswered> {
        self.ask_as(self.service.new_call_id(), caller, runner, question).await
    }

    /// The same, for a question that carries its call's id.
    pub(super) async fn ask_as(
        &self,
        id: CallId,
        caller: Option<&Caller>,
        runner: &Runner,
        question: Question,
    ) -> Result<Answer, Unanswered> {
        let Some(kind) = convert::kind_of_question(&question) else {
            return Err(Error::internal("a keep-alive asks nothing").into());
        };
        let question = convert::question_bytes(question);
        let answer =
            self.service.ask(NewCall { id, runner: runner.id, kind, question, meant_for: None }).await?;
        match convert::answer_of(&answer)? {
            Answer::Error(error) => {
                let link = self.link_for(caller, runner, &error).await?;
                Err(Unanswered::Agents(convert::call_error(error, link)))
            }
            answer => Ok(answer),
        }
    }

    /// Where the caller gets the credential that an agent misses; empty if it cannot by OAuth.
    async fn link_for(&self, caller: Option<&Caller>, runner: &Runner, error: &CallError) -> Result<String> {
        let details = error.details.as_ref().and_then(|details| details.details.as_ref());
        let (Some(caller), Some(Details::AuthenticationRequired(required))) = (caller, details) else {
            return Ok(String::new());
        };
        match self.service.live_host(caller, runner.id, &required.host).await {
            Ok(live) => self.service.oauth_link(caller, &live.integration).await,
            Err(error) if error.kind() == Kind::Precondition => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// On whose behalf a call is made, with its credentials for the runner: all of them, or those at one host.
    pub(super) async fn live_caller(
        &self,
        caller: &Caller,
        runner: RunnerId,
        host: Option<&str>,
    ) -> Result<Option<LiveCaller>> {
        let found = self.service.live_credentials(caller, runner, host).await?;
        let credentials =
            found.into_iter().map(|(token, sealed)| convert::credential(token, sealed)).collect();
        Ok(Some(LiveCaller { subject: Some(convert::subject(caller.principal)), credentials }))
    }
}

/// An agent gave an answer to another question.
pub(in crate::api) fn mismatched() -> Status {
    unfitting().into()
}
