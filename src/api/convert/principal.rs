//! Principals, users and tokens.
use super::timestamp;
use crate::{
    domain::{
        access::Principal,
        id::UserId,
        service_account::ServiceAccount,
        token::{ApiToken, TokenKind},
        user::{MemberKind, Role, User},
    },
    error::{Error, Result},
    pb::{
        gitpod::v1::{self as gitpod, Subject},
        sealink::v1 as pb,
    },
};

/// Who a token acts as.
pub(crate) fn subject(principal: Principal) -> Subject {
    let (id, principal) = match principal {
        Principal::User { id, .. } => (id.to_string(), gitpod::Principal::User),
        Principal::ServiceAccount { id, .. } => (id.to_string(), gitpod::Principal::ServiceAccount),
        Principal::Runner { id } => (id.to_string(), gitpod::Principal::Runner),
    };
    Subject { id, principal: principal.into() }
}

/// A user as a subject.
pub(crate) fn user_subject(user: UserId) -> Subject {
    Subject { id: user.to_string(), principal: gitpod::Principal::User.into() }
}

/// A user or a service account.
pub(crate) fn member_subject(id: UserId, kind: MemberKind) -> Subject {
    let principal = match kind {
        MemberKind::User => gitpod::Principal::User,
        MemberKind::ServiceAccount => gitpod::Principal::ServiceAccount,
    };
    Subject { id: id.to_string(), principal: principal.into() }
}

/// A user or a service account that a request names in `field`.
pub(crate) fn member(field: &str, subject: &Subject) -> Result<(UserId, MemberKind)> {
    let kind = match subject.principal() {
        gitpod::Principal::User => MemberKind::User,
        gitpod::Principal::ServiceAccount => MemberKind::ServiceAccount,
        _ => {
            let message = "value must be PRINCIPAL_USER or PRINCIPAL_SERVICE_ACCOUNT";
            return Err(Error::invalid(format!("{field}.principal"), "sealink.subject", message));
        }
    };
    Ok((UserId::parse(&format!("{field}.id"), &subject.id)?, kind))
}

/// A user's role from the wire; unspecified means member.
pub(crate) fn user_role(role: i32) -> Result<Role> {
    match pb::OrganizationRole::try_from(role) {
        Ok(pb::OrganizationRole::Admin) => Ok(Role::Admin),
        Ok(pb::OrganizationRole::Member | pb::OrganizationRole::Unspecified) => Ok(Role::Member),
        Err(_) => {
            Err(Error::invalid("role", "enum.defined_only", "value must be one of the defined enum values"))
        }
    }
}

/// A user as administrators see it.
pub(crate) fn user(user: User) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        name: user.name,
        email: user.email,
        fullname: user.fullname,
        role: organization_role(user.role).into(),
        disabled: user.disabled_at.is_some(),
        created_at: Some(timestamp(user.created_at)),
    }
}

/// A service account as administrators see it.
pub(crate) fn service_account(account: ServiceAccount) -> pb::ServiceAccount {
    pb::ServiceAccount {
        id: account.id.to_string(),
        name: account.name,
        description: account.description,
        role: organization_role(account.role).into(),
        disabled: account.disabled_at.is_some(),
        created_at: Some(timestamp(account.created_at)),
    }
}

fn organization_role(role: Role) -> pb::OrganizationRole {
    match role {
        Role::Admin => pb::OrganizationRole::Admin,
        Role::Member => pb::OrganizationRole::Member,
    }
}

/// A token as lists show it.
pub(crate) fn api_token(token: ApiToken) -> pb::ApiToken {
    let kind = match token.kind {
        TokenKind::Admin => pb::TokenKind::Admin,
        TokenKind::Personal => pb::TokenKind::Personal,
        TokenKind::ServiceAccount => pb::TokenKind::ServiceAccount,
        TokenKind::Runner => pb::TokenKind::Runner,
        TokenKind::Exchange => pb::TokenKind::Exchange,
    };
    let subject = token.member.map(|id| id.0).or(token.runner.map(|id| id.0)).unwrap_or_default();
    pb::ApiToken {
        id: token.id.0,
        kind: kind.into(),
        subject_id: subject.to_string(),
        description: token.description,
        read_only: token.read_only,
        created_at: Some(timestamp(token.created_at)),
        expires_at: token.expires_at.map(timestamp),
        last_used_at: token.last_used_at.map(timestamp),
        revoked_at: token.revoked_at.map(timestamp),
    }
}
