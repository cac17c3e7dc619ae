//! Host tokens: the credential of one subject at one forge, for one runner.
use uuid::Uuid;

use crate::{
    clock::Instant,
    domain::{
        access::{Caller, Principal},
        allowed_origins::AllowedOrigins,
        host::Host,
        id::{HostTokenId, IntegrationId, RunnerId, UserId},
        secret::{MAX_HOST_TOKEN_BYTES, Plaintext, Secret, SecretPatch},
        text::plain_text,
    },
    error::{Error, Result},
};

/// The longest scope, in characters.
const MAX_SCOPE: usize = 255;

/// How a credential came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Source {
    /// By OAuth, through an integration's app.
    Oauth,
    /// A personal access token that its owner handed over.
    Pat,
}

impl Source {
    /// The name in the binding of the sealed values.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oauth => "OAUTH",
            Self::Pat => "PAT",
        }
    }
}

/// What kind of actor a credential belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubjectKind {
    /// A person.
    User,
    /// A machine without a login.
    ServiceAccount,
}

/// Whose credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub kind: SubjectKind,
}

impl Subject {
    /// The caller itself.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) for a runner, which has no credentials of its own.
    pub fn of(caller: &Caller) -> Result<Self> {
        let kind = match caller.principal {
            Principal::ServiceAccount { .. } => SubjectKind::ServiceAccount,
            Principal::User { .. } | Principal::Runner { .. } => SubjectKind::User,
        };
        Ok(Self { id: caller.user()?.0, kind })
    }

    /// Whether the caller is this subject.
    #[must_use]
    pub fn is(&self, caller: &Caller) -> bool {
        match caller.principal {
            Principal::User { id, .. } => self.kind == SubjectKind::User && self.id == id.0,
            Principal::ServiceAccount { id, .. } => {
                self.kind == SubjectKind::ServiceAccount && self.id == id.0
            }
            Principal::Runner { .. } => false,
        }
    }
}

/// A host token as stored; its value and refresh token are kept apart, sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct HostToken {
    /// Its id, which the sealed values are bound to.
    pub id: HostTokenId,
    /// The runner that uses it.
    pub runner: RunnerId,
    /// Where it is good.
    pub host: Host,
    /// Whose it is.
    pub subject: Subject,
    /// How it came to be.
    pub source: Source,
    /// The integration it came by, if that is known.
    pub integration: Option<IntegrationId>,
    /// What the forge granted.
    pub scopes: Vec<String>,
    /// When it ends; `None`: it does not.
    pub expires_at: Option<Instant>,
    /// Grows by one with every change.
    pub version: u64,
    /// When it was stored first.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// The subject as a create request names it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedSubject {
    /// `subject.id`.
    pub id: Option<Uuid>,
    /// `subject.principal`, if it is one that can have credentials.
    pub kind: Option<SubjectKind>,
    /// Whether there was a `subject` at all.
    pub present: bool,
    /// `user_id`, which `subject` has superseded.
    pub user: Option<UserId>,
}

impl NamedSubject {
    /// Whose credential it is to be; the caller's own if nobody is named.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for half a subject, one that cannot have credentials,
    /// or two different ones.
    pub fn resolve(self, caller: &Caller) -> Result<Subject> {
        let refuse = |message| Err(Error::invalid("subject", "sealink.subject", message));
        let user = |id| Subject { id, kind: SubjectKind::User };
        if !self.present {
            return self.user.map_or_else(|| Subject::of(caller), |id| Ok(user(id.0)));
        }
        let (Some(id), Some(kind)) = (self.id, self.kind) else {
            return refuse("value must have an id and be a user or a service account");
        };
        match self.user {
            Some(other) if user(other.0) != (Subject { id, kind }) => {
                refuse("value must be the user that user_id names, or user_id must be absent")
            }
            _ => Ok(Subject { id, kind }),
        }
    }
}

/// A create request whose parts are checked once the runner is known to be the caller's.
#[derive(Debug)]
pub struct Draft {
    /// The runner that is to use it.
    pub runner: RunnerId,
    /// As sent.
    pub subject: NamedSubject,
    /// As sent.
    pub host: String,
    /// The credential.
    pub value: Plaintext,
    /// What it is renewed with; empty if with nothing.
    pub refresh: Plaintext,
    /// `None` if unspecified.
    pub source: Option<Source>,
    /// As sent.
    pub integration: Option<IntegrationId>,
    /// As sent.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<Instant>,
}

/// A create request that keeps every rule.
#[derive(Debug)]
pub struct NewHostToken {
    /// Where it is good.
    pub host: Host,
    /// How it came to be.
    pub source: Source,
    /// The credential, to be sealed.
    pub value: Secret,
    /// What it is renewed with, to be sealed.
    pub refresh: Option<Secret>,
    /// What the forge granted.
    pub scopes: Vec<String>,
}

impl Draft {
    /// Checks everything but the subject.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the first field that breaks a rule.
    pub fn accept(self, allowed: &AllowedOrigins) -> Result<NewHostToken> {
        let host = Host::parse(self.host, true, allowed)?;
        let source = self.source.ok_or_else(|| {
            Error::invalid(
                "source",
                "sealink.source",
                "value must say how the token came to be: OAUTH or PAT",
            )
        })?;
        let value = self.value.parse_up_to(MAX_HOST_TOKEN_BYTES, "token")?;
        let refresh = Some(self.refresh).filter(|refresh| !refresh.is_empty());
        let refresh =
            refresh.map(|refresh| refresh.parse_up_to(MAX_HOST_TOKEN_BYTES, "refresh_token")).transpose()?;
        Ok(NewHostToken { host, source, value, refresh, scopes: check_scopes(self.scopes)? })
    }
}

/// The members of an update request.
#[derive(Debug, Default)]
pub struct HostTokenPatch {
    /// The new credential.
    pub value: Option<Secret>,
    /// What becomes of the refresh token.
    pub refresh: SecretPatch,
    /// When it is to end.
    pub expires_at: Option<Instant>,
    /// Empty leaves them as they are.
    pub scopes: Vec<String>,
}

/// Checks scopes: 1 to 255 characters each, without control characters.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the first that is not.
pub fn check_scopes(scopes: Vec<String>) -> Result<Vec<String>> {
    let check = |(index, scope): (usize, String)| {
        let field = format!("scopes[{index}]");
        if scope.is_empty() {
            return Err(Error::invalid(
                field,
                "string.min_len",
                "value length must be at least 1 characters",
            ));
        }
        plain_text(&field, scope, MAX_SCOPE)
    };
    scopes.into_iter().enumerate().map(check).collect()
}

/// What a list of host tokens is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostTokenFilter {
    /// Only this runner's.
    pub runner: Option<RunnerId>,
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only this subject's, whatever it is.
    pub subject: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::OrganizationId, token::TokenId, user::Role};

    fn caller(id: u128) -> Caller {
        Caller {
            organization: OrganizationId(Uuid::nil()),
            principal: Principal::User { id: UserId(Uuid::from_u128(id)), role: Role::Member },
            read_only: false,
            token: TokenId(String::new()),
            once: None,
        }
    }

    #[test]
    fn a_subject_is_named_once_or_alike() {
        let id = |id| Some(Uuid::from_u128(id));
        let (user, machine) = (Some(SubjectKind::User), Some(SubjectKind::ServiceAccount));
        let old = |id| Some(UserId(Uuid::from_u128(id)));
        for (named, expected) in [
            (NamedSubject::default(), Some((1, SubjectKind::User))),
            (NamedSubject { user: old(2), ..Default::default() }, Some((2, SubjectKind::User))),
            (
                NamedSubject { present: true, id: id(3), kind: machine, user: None },
                Some((3, SubjectKind::ServiceAccount)),
            ),
            (
                NamedSubject { present: true, id: id(2), kind: user, user: old(2) },
                Some((2, SubjectKind::User)),
            ),
            (NamedSubject { present: true, id: id(3), kind: user, user: old(2) }, None),
            (NamedSubject { present: true, id: id(2), kind: machine, user: old(2) }, None),
            (NamedSubject { present: true, id: None, kind: user, user: old(2) }, None),
            (NamedSubject { present: true, id: id(2), kind: None, user: None }, None),
        ] {
            let resolved = named.resolve(&caller(1)).ok();
            let expected = expected.map(|(id, kind)| Subject { id: Uuid::from_u128(id), kind });
            assert_eq!(resolved, expected, "{named:?}");
        }
        assert!(Subject { id: Uuid::from_u128(1), kind: SubjectKind::User }.is(&caller(1)));
        assert!(!Subject { id: Uuid::from_u128(1), kind: SubjectKind::ServiceAccount }.is(&caller(1)));
    }

    #[test]
    fn scopes_are_plain_texts() {
        assert_eq!(check_scopes(vec!["repo".into(), "read:user".into()]).unwrap(), ["repo", "read:user"]);
        for bad in ["", "a\nb", &"s".repeat(256)] {
            let error = check_scopes(vec!["repo".into(), bad.into()]).unwrap_err();
            assert_eq!(error.violations()[0].field, "scopes[1]", "{bad:?}");
        }
    }
}
