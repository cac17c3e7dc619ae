//! Runner policies: what a group's members may do with a runner.
use crate::{
    domain::id::{GroupId, RunnerId},
    error::{Error, Kind, Result},
};

/// What somebody may do with a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunnerRole {
    /// Everything its creator may: configure it, its integrations, its keys and its policies.
    Admin,
    /// See it and what it offers, without its sealed secrets, and manage one's own host tokens.
    User,
}

impl RunnerRole {
    /// Lets through who administers the runner.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for who only uses it.
    pub fn administers(self) -> Result<()> {
        match self {
            Self::Admin => Ok(()),
            Self::User => {
                Err(Error::new(Kind::Forbidden, "only those who administer this runner may do this"))
            }
        }
    }
}

/// One group's role on a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunnerPolicy {
    /// The runner.
    pub runner: RunnerId,
    /// The group.
    pub group: GroupId,
    /// What its members may do.
    pub role: RunnerRole,
}
