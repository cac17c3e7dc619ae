//! Renewing host tokens: what agents are asked, and what they make of it.
use super::{call::question_bytes, configured, host_token, instant};
use crate::{
    error::Result,
    pb::sealink::v1::{
        CallErrorCode, RefreshHostTokenCall, RefreshHostTokenResult, send_response_request::Result as Answer,
        watch_requests_response::Call as Question,
    },
    service::{Refresh, RefreshQuestion, Refreshed, Renewal},
};

/// How agents are asked to renew a host token.
pub(crate) const REFRESH_QUESTION: RefreshQuestion = question;

fn question(refresh: Refresh) -> Vec<u8> {
    let Refresh { runner, integration, token, sealed } = refresh;
    let public = host_token(token);
    question_bytes(Question::RefreshHostToken(RefreshHostTokenCall {
        token_id: public.id,
        integration: Some(configured(&integration, &runner)),
        sealed_refresh_token: sealed.bytes,
        kid: sealed.kid.0,
        subject: public.subject,
    }))
}

/// What an answer means to the host token that its call was about, if it was about one.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) for an end that is no moment.
pub(crate) fn refreshed(answer: Option<&Answer>) -> Result<Option<Refreshed>> {
    Ok(match answer {
        Some(Answer::RefreshHostToken(result)) => Some(Refreshed::Renewed(renewed(result.clone())?)),
        Some(Answer::Error(error)) => failed(error.code()),
        _ => None,
    })
}

/// What a failure says of the forge. Who failed for a reason of its own may have what the forge gave all the same.
fn failed(code: CallErrorCode) -> Option<Refreshed> {
    match code {
        CallErrorCode::Unauthenticated => Some(Refreshed::Refused),
        CallErrorCode::Unavailable
        | CallErrorCode::DeadlineExceeded
        | CallErrorCode::ResourceExhausted
        | CallErrorCode::PermissionDenied
        | CallErrorCode::NotFound => Some(Refreshed::Nothing),
        _ => None,
    }
}

fn renewed(result: RefreshHostTokenResult) -> Result<Renewal> {
    let RefreshHostTokenResult { sealed_token, sealed_refresh_token, kid, scopes, expires_at } = result;
    Ok(Renewal {
        value: sealed_token,
        refresh: sealed_refresh_token,
        kid,
        scopes,
        expires_at: expires_at.map(|at| instant("refresh_host_token.expires_at", at)).transpose()?,
    })
}
