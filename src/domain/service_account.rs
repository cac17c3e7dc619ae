//! Service accounts: an organization's machines.
use crate::{
    clock::Instant,
    domain::{
        id::UserId,
        text::plain_text,
        user::{Role, member_name},
    },
    error::Result,
};

/// A principal without a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The service account's id.
    pub id: UserId,
    /// Unique among the organization's users and service accounts.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// What it may do.
    pub role: Role,
    /// When it was disabled, if it was.
    pub disabled_at: Option<Instant>,
    /// When it was created.
    pub created_at: Instant,
}

/// A service account to be created, its fields checked.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// As [`ServiceAccount::name`].
    pub name: String,
    /// As [`ServiceAccount::description`].
    pub description: String,
    /// As [`ServiceAccount::role`].
    pub role: Role,
}

impl NewServiceAccount {
    /// Checks a service account's fields.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the field.
    pub fn parse(name: String, description: String, role: Role) -> Result<Self> {
        let (name, description) = (member_name(name)?, plain_text("description", description, 255)?);
        Ok(Self { name, description, role })
    }
}
