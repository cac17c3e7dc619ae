//! Who a member is, whether a person or a machine.
use sqlx::FromRow;

use super::{Store, on};
use crate::{
    domain::{
        id::{OrganizationId, UserId},
        user::{Member, MemberKind},
    },
    error::Result,
};

#[derive(FromRow)]
pub(super) struct MemberRow {
    id: UserId,
    kind: MemberKind,
    name: String,
    email: String,
    fullname: String,
}

/// A member by its id, in an organization.
pub(super) const MEMBER: &str =
    "SELECT id, kind, name, email, fullname FROM member WHERE id = $1 AND organization_id = $2";

/// Ends what a member may do, from a moment on.
pub(super) const DISABLE: &str = "UPDATE member SET disabled_at = $2 WHERE id = $1";

impl From<MemberRow> for Member {
    fn from(MemberRow { id, kind, name, email, fullname }: MemberRow) -> Self {
        Self::new(id, kind, name, email, fullname)
    }
}

impl Store {
    /// A user or a service account of the organization.
    pub async fn member(&self, organization: OrganizationId, id: UserId) -> Result<Option<Member>> {
        let row: Option<MemberRow> =
            on!(self, pool => sqlx::query_as(MEMBER).bind(id).bind(organization).fetch_optional(pool).await)?;
        Ok(row.map(Member::from))
    }

    /// The user or service account of this name in the organization, and whether it is disabled.
    pub async fn member_named(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<(UserId, bool)>> {
        const SQL: &str =
            "SELECT id, disabled_at IS NOT NULL FROM member WHERE organization_id = $1 AND name = $2";
        on!(self, pool => sqlx::query_as(SQL).bind(organization).bind(name).fetch_optional(pool).await)
    }
}
