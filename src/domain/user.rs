//! The people of an organization.
use serde::Deserialize;

use crate::{
    clock::Instant,
    domain::id::UserId,
    error::{Error, Result},
};

/// What a user may do in its organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Deserialize)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Administers everything.
    Admin,
    /// Creates runners and administers those.
    Member,
}

/// Whether a member is a person or a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MemberKind {
    /// A person.
    User,
    /// A machine without a login.
    ServiceAccount,
}

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// Unique in the organization.
    pub name: String,
    /// Where to reach the person.
    pub email: String,
    /// The person's name; may be empty.
    pub fullname: String,
    /// What it may do.
    pub role: Role,
    /// When it was disabled, if it was.
    pub disabled_at: Option<Instant>,
    /// When it was created.
    pub created_at: Instant,
}

/// A person or a machine, as others name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: UserId,
    /// Unique in the organization.
    pub name: String,
    /// Where to reach it; a machine has an address that leads nowhere.
    pub email: String,
    /// The person's name; may be empty.
    pub fullname: String,
}

impl Member {
    /// A member as it is stored.
    #[must_use]
    pub fn new(id: UserId, kind: MemberKind, name: String, email: String, fullname: String) -> Self {
        let email = match kind {
            MemberKind::User => email,
            MemberKind::ServiceAccount => format!("{name}@service.invalid"),
        };
        Self { id, name, email, fullname }
    }
}

/// A user to be created, its fields checked.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// As [`User::name`].
    pub name: String,
    /// As [`User::email`].
    pub email: String,
    /// As [`User::fullname`].
    pub fullname: String,
    /// As [`User::role`].
    pub role: Role,
}

impl NewUser {
    /// Checks a user's fields.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the field.
    pub fn parse(name: String, email: String, fullname: String, role: Role) -> Result<Self> {
        let name = member_name(name)?;
        let at_sign = email.find('@');
        let spaced = email.chars().any(|c| c.is_whitespace() || c.is_control());
        if spaced || email.len() > 254 || !at_sign.is_some_and(|at| at > 0 && at + 1 < email.len()) {
            return Err(Error::invalid("email", "sealink.email", "value must be an e-mail address"));
        }
        if fullname.chars().any(char::is_control) {
            return Err(Error::invalid(
                "fullname",
                "sealink.text",
                "value must not contain control characters",
            ));
        }
        Ok(Self { name, email, fullname, role })
    }
}

/// Checks the name of a user or a service account.
pub(super) fn member_name(name: String) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
        let message = "value must be 1 to 63 of a-z, 0-9, '.', '_' and '-'";
        return Err(Error::invalid("name", "sealink.user_name", message));
    }
    Ok(name)
}
