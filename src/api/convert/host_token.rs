//! Host tokens.
use super::{instant, timestamp};
use crate::{
    domain::{
        host_token::{Draft, HostToken, HostTokenFilter, HostTokenPatch, NamedSubject, Source, SubjectKind},
        id::{IntegrationId, RunnerId, UserId, parse_uuid},
        secret::{MAX_HOST_TOKEN_BYTES, Plaintext, SecretPatch},
    },
    error::{Error, Result},
    pb::gitpod::v1::{self as pb, list_host_authentication_tokens_request::Filter},
};

#[expect(deprecated, reason = "older clients name a user by `user_id`")]
impl TryFrom<pb::CreateHostAuthenticationTokenRequest> for Draft {
    type Error = Error;

    fn try_from(request: pb::CreateHostAuthenticationTokenRequest) -> Result<Self> {
        let pb::CreateHostAuthenticationTokenRequest {
            runner_id,
            user_id,
            host,
            token,
            source,
            expires_at,
            refresh_token,
            integration_id,
            scopes,
            subject,
        } = request;
        let (value, refresh) = (Plaintext::new(token), Plaintext::new(refresh_token));
        let integration = Some(integration_id).filter(|id| !id.is_empty());
        Ok(Self {
            runner: RunnerId::parse("runner_id", &runner_id)?,
            subject: named_subject(user_id, subject)?,
            host,
            value,
            refresh,
            source: token_source(source),
            integration: integration.map(|id| IntegrationId::parse("integration_id", &id)).transpose()?,
            scopes,
            expires_at: expires_at.map(|at| instant("expires_at", at)).transpose()?,
        })
    }
}

fn named_subject(user_id: String, subject: Option<pb::Subject>) -> Result<NamedSubject> {
    let user = Some(user_id).filter(|id| !id.is_empty());
    let user = user.map(|id| UserId::parse("user_id", &id)).transpose()?;
    let subject = subject.filter(|subject| *subject != pb::Subject::default());
    let Some(subject) = subject else { return Ok(NamedSubject { user, ..NamedSubject::default() }) };
    let kind = match subject.principal() {
        pb::Principal::User => Some(SubjectKind::User),
        pb::Principal::ServiceAccount => Some(SubjectKind::ServiceAccount),
        _ => None,
    };
    let id = Some(subject.id).filter(|id| !id.is_empty());
    let id = id.map(|id| parse_uuid("subject.id", &id)).transpose()?;
    Ok(NamedSubject { id, kind, present: true, user })
}

fn token_source(source: i32) -> Option<Source> {
    match pb::HostAuthenticationTokenSource::try_from(source) {
        Ok(pb::HostAuthenticationTokenSource::Oauth) => Some(Source::Oauth),
        Ok(pb::HostAuthenticationTokenSource::Pat) => Some(Source::Pat),
        Ok(pb::HostAuthenticationTokenSource::Unspecified) | Err(_) => None,
    }
}

impl TryFrom<pb::UpdateHostAuthenticationTokenRequest> for HostTokenPatch {
    type Error = Error;

    fn try_from(request: pb::UpdateHostAuthenticationTokenRequest) -> Result<Self> {
        let pb::UpdateHostAuthenticationTokenRequest { id: _, token, expires_at, refresh_token, scopes } =
            request;
        let (value, refresh) = (token.map(Plaintext::new), refresh_token.map(Plaintext::new));
        Ok(Self {
            value: value.map(|value| value.parse_up_to(MAX_HOST_TOKEN_BYTES, "token")).transpose()?,
            refresh: SecretPatch::parse_up_to(MAX_HOST_TOKEN_BYTES, "refresh_token", refresh)?,
            expires_at: expires_at.map(|at| instant("expires_at", at)).transpose()?,
            scopes,
        })
    }
}

/// What a list is narrowed to; an absent member narrows nothing.
#[expect(deprecated, reason = "older clients name a user by `user_id`")]
pub(crate) fn host_token_filter(filter: Filter) -> Result<HostTokenFilter> {
    let Filter { runner_id, user_id, subject_id } = filter;
    Ok(HostTokenFilter {
        runner: runner_id.map(|id| RunnerId::parse("filter.runner_id", &id)).transpose()?,
        user: user_id.map(|id| UserId::parse("filter.user_id", &id)).transpose()?,
        subject: subject_id.map(|id| parse_uuid("filter.subject_id", &id)).transpose()?,
    })
}

/// What is known of a host token.
#[expect(deprecated, reason = "older clients read `user_id`")]
pub(crate) fn host_token(token: HostToken) -> pb::HostAuthenticationToken {
    let subject = token.subject.id.to_string();
    let (principal, user_id) = match token.subject.kind {
        SubjectKind::User => (pb::Principal::User, subject.clone()),
        SubjectKind::ServiceAccount => (pb::Principal::ServiceAccount, String::new()),
    };
    let source = match token.source {
        Source::Oauth => pb::HostAuthenticationTokenSource::Oauth,
        Source::Pat => pb::HostAuthenticationTokenSource::Pat,
    };
    pb::HostAuthenticationToken {
        id: token.id.to_string(),
        runner_id: token.runner.to_string(),
        user_id,
        host: token.host.into_string(),
        source: source.into(),
        expires_at: token.expires_at.map(timestamp),
        integration_id: token.integration.map(|id| id.to_string()).unwrap_or_default(),
        scopes: token.scopes,
        subject: Some(pb::Subject { id: subject, principal: principal.into() }),
    }
}
