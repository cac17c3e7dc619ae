//! Who is in which group.
use sqlx::FromRow;

use super::{
    Store,
    changes::log_audit,
    groups::{contains, lock_group},
    on,
    tx::{execute, on_tx},
};
use crate::{
    domain::{
        audit::{Actor, Entry},
        group::Membership,
        id::{GroupId, MembershipId, OrganizationId, UserId},
        page::{Page, PageRequest},
        user::MemberKind,
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
struct MembershipRow {
    id: MembershipId,
    group_id: GroupId,
    member_id: UserId,
    kind: MemberKind,
    name: String,
}

impl From<MembershipRow> for Membership {
    fn from(row: MembershipRow) -> Self {
        let MembershipRow { id, group_id, member_id, kind, name } = row;
        Self { id, group: group_id, member: member_id, kind, name }
    }
}

/// The name of a person is the full one, if there is one. The join is a cross join so that SQLite keeps to the
/// order of memberships.
macro_rules! select_membership {
    ($where:literal) => {
        concat!(
            "SELECT s.id, s.group_id, s.member_id, m.kind, \
             CASE WHEN m.fullname = '' THEN m.name ELSE m.fullname END AS name \
             FROM group_membership s CROSS JOIN member m WHERE m.id = s.member_id AND ",
            $where
        )
    };
}
pub(super) const LIST: &str = select_membership!(
    "s.group_id = $1 AND s.id > $2 AND ($4 = '' OR lower(m.name) LIKE $4 ESCAPE '\\' \
     OR lower(m.fullname) LIKE $4 ESCAPE '\\') ORDER BY s.id LIMIT $3"
);

impl Store {
    /// Adds a member of the organization to a group.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for the group, or for a member that is not of this kind;
    /// [`Kind::AlreadyExists`] if it is in it.
    pub async fn create_membership(
        &self,
        actor: Actor,
        id: MembershipId,
        group: GroupId,
        who: (UserId, MemberKind),
    ) -> Result<Membership> {
        const NAME: &str = "SELECT CASE WHEN fullname = '' THEN name ELSE fullname END FROM member \
            WHERE id = $1 AND organization_id = $2 AND kind = $3";
        const SQL: &str = "INSERT INTO group_membership (id, organization_id, group_id, member_id, created_at) \
            VALUES ($1, $2, $3, $4, $5)";
        self.write((actor, id, group, who), |tx, (actor, id, group, (member, kind))| {
            Box::pin(async move {
                lock_group(tx, actor, *group).await?.ok_or_else(|| Error::not_found("group"))?;
                let name = on_tx!(tx, conn => sqlx::query_scalar::<_, String>(NAME)
                    .bind(*member).bind(actor.organization).bind(*kind).fetch_optional(conn).await)?;
                let name = name.ok_or_else(|| match kind {
                    MemberKind::User => Error::not_found("user"),
                    MemberKind::ServiceAccount => Error::not_found("service account"),
                })?;
                execute!(tx, SQL, *id, actor.organization, *group, *member, actor.at).map_err(existing)?;
                let entry = Entry::new("group.add_member", id)
                    .with("group", group.to_string())
                    .with("member", member.to_string());
                log_audit(tx, actor, &entry).await?;
                Ok(Membership { id: *id, group: *group, member: *member, kind: *kind, name })
            })
        })
        .await
    }

    /// A member's place in a group of the organization.
    pub async fn membership(
        &self,
        organization: OrganizationId,
        group: GroupId,
        (member, kind): (UserId, MemberKind),
    ) -> Result<Option<Membership>> {
        const SQL: &str = select_membership!(
            "s.group_id = $1 AND s.member_id = $2 AND s.organization_id = $3 AND m.kind = $4"
        );
        let row: Option<MembershipRow> = on!(self, pool => sqlx::query_as(SQL)
            .bind(group).bind(member).bind(organization).bind(kind).fetch_optional(pool).await)?;
        Ok(row.map(Membership::from))
    }

    /// Ends a membership in the organization. `false`: there is none.
    pub async fn delete_membership(&self, actor: Actor, id: MembershipId) -> Result<bool> {
        const FIND: &str =
            "SELECT group_id, member_id FROM group_membership WHERE id = $1 AND organization_id = $2";
        const DELETE: &str = "DELETE FROM group_membership WHERE id = $1";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let found = on_tx!(tx, conn => sqlx::query_as::<_, (GroupId, UserId)>(FIND)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some((group, member)) = found else { return Ok(false) };
                if execute!(tx, DELETE, *id)? == 0 {
                    return Ok(false);
                }
                let entry = Entry::new("group.remove_member", id)
                    .with("group", group.to_string())
                    .with("member", member.to_string());
                log_audit(tx, actor, &entry).await?;
                Ok(true)
            })
        })
        .await
    }

    /// A page of a group's members, in the order they joined.
    pub async fn memberships(
        &self,
        group: GroupId,
        search: &str,
        page: PageRequest,
    ) -> Result<Page<Membership>> {
        let rows: Vec<MembershipRow> = on!(self, pool => sqlx::query_as(LIST)
            .bind(group).bind(page.after.0).bind(page.size.with_lookahead()).bind(contains(search))
            .fetch_all(pool).await)?;
        let rows = rows.into_iter().map(Membership::from).collect();
        Ok(Page::cut(rows, page.size, |membership: &Membership| membership.id.0))
    }
}

fn existing(error: Error) -> Error {
    match error.kind() {
        Kind::AlreadyExists => Error::new(Kind::AlreadyExists, "the group already has this member")
            .blaming("subject", "sealink.unique"),
        _ => error,
    }
}
