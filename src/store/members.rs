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
struct Row {
    id: UserId,
    kind: MemberKind,
    name: String,
    email: String,
    fullname: String,
}

impl Store {
    /// A user or a service account of the organization.
    pub async fn member(&self, organization: OrganizationId, id: UserId) -> Result<Option<Member>> {
        const SQL: &str =
            "SELECT id, kind, name, email, fullname FROM member WHERE id = $1 AND organization_id = $2";
        let row: Option<Row> =
            on!(self, pool => sqlx::query_as(SQL).bind(id).bind(organization).fetch_optional(pool).await)?;
        Ok(row.map(|Row { id, kind, name, email, fullname }| Member::new(id, kind, name, email, fullname)))
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
