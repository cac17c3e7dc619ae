//! Calls to live agents, and what comes back. A new kind of call is one arm of each function here.
use prost::Message;
use tonic::{Code, Status};
use zeroize::Zeroizing;

use super::{host_token, timestamp};
use crate::{
    api::status::{detailed, status},
    domain::{host_token::HostToken, live_call::CallKind, secret::Sealed},
    error::{Error, Kind, Result},
    pb::{
        gitpod::v1::ParseContextUrlPreconditionFailureDetails,
        sealink::v1::{
            CallError, CallErrorCode, HostCredential, KeepAlive, SendResponseRequest, WatchRequestsResponse,
            call_error_details::Details, send_response_request::Result as Answer,
            watch_requests_response::Call as Question,
        },
    },
    service::Request,
};

/// The longest sentence of an agent that a caller reads, in characters.
const LONGEST: usize = 1_000;

/// What a question asks; `None` for a keep-alive.
pub(crate) fn kind_of_question(question: &Question) -> Option<CallKind> {
    Some(match question {
        Question::Validate(_) => CallKind::Validate,
        Question::CheckAuthenticationForHost(_) => CallKind::CheckAuthenticationForHost,
        Question::ParseContextUrl(_) => CallKind::ParseContextUrl,
        Question::SearchRepositories(_) => CallKind::SearchRepositories,
        Question::ListScmOrganizations(_) => CallKind::ListScmOrganizations,
        Question::CheckRepositoryAccess(_) => CallKind::CheckRepositoryAccess,
        Question::BeginOauth(_) => CallKind::BeginOauth,
        Question::CompleteOauth(_) => CallKind::CompleteOauth,
        Question::RefreshHostToken(_) => CallKind::RefreshHostToken,
        Question::TailLog(_) => CallKind::TailLog,
        Question::KeepAlive(_) => return None,
    })
}

/// What an answer answers; `None` for an error.
///
/// # Errors
/// [`Kind::Invalid`] without an answer.
pub(crate) fn kind_of_answer(answer: Option<&Answer>) -> Result<Option<CallKind>> {
    Ok(Some(match answer {
        None => return Err(Error::invalid("result", "required", "exactly one field is required in oneof")),
        Some(Answer::Error(_)) => return Ok(None),
        Some(Answer::Validate(_)) => CallKind::Validate,
        Some(Answer::CheckAuthenticationForHost(_)) => CallKind::CheckAuthenticationForHost,
        Some(Answer::ParseContextUrl(_)) => CallKind::ParseContextUrl,
        Some(Answer::SearchRepositories(_)) => CallKind::SearchRepositories,
        Some(Answer::ListScmOrganizations(_)) => CallKind::ListScmOrganizations,
        Some(Answer::CheckRepositoryAccess(_)) => CallKind::CheckRepositoryAccess,
        Some(Answer::BeginOauth(_)) => CallKind::BeginOauth,
        Some(Answer::CompleteOauth(_)) => CallKind::CompleteOauth,
        Some(Answer::RefreshHostToken(_)) => CallKind::RefreshHostToken,
        Some(Answer::TailLog(_)) => CallKind::TailLog,
    }))
}

/// A person's credential as agents get it.
pub(crate) fn credential(token: HostToken, sealed: Sealed) -> HostCredential {
    let public = host_token(token);
    HostCredential {
        token_id: public.id,
        host: public.host,
        sealed_token: sealed.bytes,
        kid: sealed.kid.0,
        source: public.source,
        integration_id: public.integration_id,
        expires_at: public.expires_at,
    }
}

/// A question as it is stored.
pub(crate) fn question_bytes(question: Question) -> Vec<u8> {
    WatchRequestsResponse { call: Some(question), ..WatchRequestsResponse::default() }.encode_to_vec()
}

/// An answer as it was stored.
pub(crate) fn answer_of(bytes: &Zeroizing<Vec<u8>>) -> Result<Answer> {
    let decoded = SendResponseRequest::decode(bytes.as_slice());
    let answer =
        decoded.map_err(|error| Error::new(Kind::DataLoss, "a stored answer is damaged").caused_by(error));
    answer?.result.ok_or_else(|| Error::new(Kind::DataLoss, "a stored answer is damaged"))
}

/// One message to an agent.
///
/// # Errors
/// [`Kind::DataLoss`] for a stored question that cannot be read.
pub(crate) fn request(request: Request) -> Result<WatchRequestsResponse> {
    let Request::Call(asked, remaining, revision) = request else {
        let call = Some(Question::KeepAlive(KeepAlive {}));
        return Ok(WatchRequestsResponse { call, ..WatchRequestsResponse::default() });
    };
    let stored = WatchRequestsResponse::decode(asked.question.as_slice());
    let stored =
        stored.map_err(|error| Error::new(Kind::DataLoss, "a stored call is damaged").caused_by(error))?;
    Ok(WatchRequestsResponse {
        request_id: asked.id.to_string(),
        attempt: asked.attempt,
        deadline: Some(timestamp(asked.deadline)),
        remaining: Some(remaining.into()),
        revision,
        call: stored.call,
    })
}

/// What a caller reads of an agent's error. A missing credential is the caller's to get at the forge, never here:
/// `authentication_url` is where.
pub(crate) fn call_error(error: CallError, authentication_url: String) -> Status {
    let CallError { code, message, details } = error;
    let message: String = message.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    let details = details.and_then(|details| details.details);
    if let Some(Details::AuthenticationRequired(required)) = details {
        let detail = ParseContextUrlPreconditionFailureDetails {
            authentication_required_url: authentication_url,
            scm_id: required.scm_id,
            runner_ids: Vec::new(),
        };
        let text = if message.is_empty() { "authentication is required at the host".into() } else { message };
        let name = "gitpod.v1.ParseContextURLPreconditionFailureDetails";
        return detailed(Code::FailedPrecondition, text, name, &detail);
    }
    let kind = match CallErrorCode::try_from(code).unwrap_or_default() {
        CallErrorCode::InvalidArgument => Kind::Invalid,
        CallErrorCode::DeadlineExceeded => Kind::Deadline,
        CallErrorCode::NotFound => Kind::NotFound,
        CallErrorCode::PermissionDenied => Kind::Forbidden,
        CallErrorCode::ResourceExhausted => Kind::Exhausted,
        CallErrorCode::FailedPrecondition | CallErrorCode::Unauthenticated => Kind::Precondition,
        CallErrorCode::Unimplemented => Kind::Unimplemented,
        CallErrorCode::Unspecified | CallErrorCode::Internal | CallErrorCode::Unavailable => {
            Kind::Unavailable
        }
    };
    let text = if message.is_empty() { "the runner's agent could not answer".to_owned() } else { message };
    status(&Error::new(kind, text))
}
