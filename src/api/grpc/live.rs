//! What the handlers of live calls share: asking, and telling apart what comes back.
use tonic::Status;

use super::Api;
use crate::{
    api::convert,
    domain::{
        access::Caller,
        id::{CallId, RunnerId},
        live_call::NewCall,
    },
    error::{Error, Kind},
    pb::sealink::v1::{
        LiveCaller, send_response_request::Result as Answer, watch_requests_response::Call as Question,
    },
};

impl Api {
    /// Asks a runner's agents. `authentication_url` is where a caller gets the credential that an agent misses.
    pub(in crate::api) async fn ask(
        &self,
        runner: RunnerId,
        question: Question,
        authentication_url: String,
    ) -> Result<Answer, Status> {
        self.ask_as(self.service.new_call_id(), runner, question, authentication_url).await
    }

    /// The same, for a question that carries its call's id.
    pub(super) async fn ask_as(
        &self,
        id: CallId,
        runner: RunnerId,
        question: Question,
        authentication_url: String,
    ) -> Result<Answer, Status> {
        let Some(kind) = convert::kind_of_question(&question) else {
            return Err(Error::internal("a keep-alive asks nothing").into());
        };
        let question = convert::question_bytes(question);
        let answer = self.service.ask(NewCall { id, runner, kind, question }).await?;
        match convert::answer_of(&answer)? {
            Answer::Error(error) => Err(convert::call_error(error, authentication_url)),
            answer => Ok(answer),
        }
    }
}

/// On whose behalf a call is made. Host tokens are not served yet, so nobody has credentials.
pub(super) fn live_caller(caller: &Caller) -> LiveCaller {
    LiveCaller { subject: Some(convert::subject(caller.principal)), credentials: Vec::new() }
}

/// An agent gave an answer to another question.
pub(in crate::api) fn mismatched() -> Status {
    Error::new(Kind::Unavailable, "the runner's agent gave an answer that does not fit").into()
}
