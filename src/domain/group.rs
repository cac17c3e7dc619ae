//! Groups of users and service accounts, which policies give roles to.
use crate::{
    clock::Instant,
    domain::{
        id::{GroupId, MembershipId, OrganizationId, UserId},
        text::plain_text,
        user::MemberKind,
    },
    error::Result,
};

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's id.
    pub id: GroupId,
    /// Where it belongs.
    pub organization: OrganizationId,
    /// Unique in the organization: 3 to 80 characters.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// How many members it has.
    pub members: i64,
    /// When it was created.
    pub created_at: Instant,
    /// When its name or description last changed.
    pub updated_at: Instant,
}

/// What people say of a group, checked.
#[derive(Clone, Debug)]
pub struct GroupText {
    /// As [`Group::name`].
    pub name: String,
    /// As [`Group::description`].
    pub description: String,
}

impl GroupText {
    /// Checks a group's fields; the length of the name was checked before.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the field.
    pub fn parse(name: String, description: String) -> Result<Self> {
        let (name, description) =
            (plain_text("name", name, 80)?, plain_text("description", description, 255)?);
        Ok(Self { name, description })
    }
}

/// How a request names a group.
#[derive(Clone, Debug)]
pub enum GroupName {
    /// By its id.
    Id(GroupId),
    /// By its name.
    Name(String),
}

/// What a list of groups is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct GroupFilter {
    /// Whose names contain this, whatever the case of ASCII letters; empty narrows nothing.
    pub search: String,
    /// One of these, at most 25; empty narrows nothing.
    pub ids: Vec<GroupId>,
    /// Only groups that nothing here makes: the list is empty.
    pub none: bool,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The membership's id.
    pub id: MembershipId,
    /// The group.
    pub group: GroupId,
    /// Who is in it.
    pub member: UserId,
    /// Whether that is a person.
    pub kind: MemberKind,
    /// What the member is called.
    pub name: String,
}
