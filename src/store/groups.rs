//! Groups.
use sqlx::FromRow;

use super::{
    Store,
    changes::log_audit,
    on,
    tx::{Tx, dialect, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        group::{Group, GroupFilter, GroupName, GroupText},
        id::{GroupId, OrganizationId},
        page::{Page, PageRequest},
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
struct GroupRow {
    id: GroupId,
    organization_id: OrganizationId,
    name: String,
    description: String,
    members: i64,
    created_at: Instant,
    updated_at: Instant,
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        let GroupRow { id, organization_id, name, description, members, created_at, updated_at } = row;
        Self { id, organization: organization_id, name, description, members, created_at, updated_at }
    }
}

macro_rules! select_group {
    ($where:literal) => {
        concat!(
            "SELECT g.id, g.organization_id, g.name, g.description, g.created_at, g.updated_at, \
             (SELECT count(*) FROM group_membership s WHERE s.group_id = g.id) AS members \
             FROM member_group g WHERE ",
            $where
        )
    };
}

/// One text for both databases: a pattern for LIKE or nothing, and up to 25 ids as that many places.
pub(super) const LIST: &str = select_group!(
    "g.organization_id = $1 AND g.id > $2 AND ($4 = '' OR lower(g.name) LIKE $4 ESCAPE '\\') \
     AND ($5 = 0 OR g.id IN ($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, \
          $23, $24, $25, $26, $27, $28, $29, $30)) ORDER BY g.id LIMIT $3"
);
const ID_PLACES: usize = 25;

/// A pattern that finds `text` anywhere in a name whose ASCII letters are in lower case; nothing for nothing.
pub(super) fn contains(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut pattern = String::from("%");
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

impl Store {
    /// Stores a new group.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] if the organization has a group of that name.
    pub async fn create_group(&self, actor: Actor, id: GroupId, text: GroupText) -> Result<Group> {
        const SQL: &str = "INSERT INTO member_group (id, organization_id, name, description, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $5)";
        self.write((actor, id, text), |tx, (actor, id, text)| {
            Box::pin(async move {
                execute!(tx, SQL, *id, actor.organization, &text.name, &text.description, actor.at)
                    .map_err(taken)?;
                let entry = Entry::new("group.create", id).with("name", text.name.as_str());
                log_audit(tx, actor, &entry).await?;
                let GroupText { name, description } = text.clone();
                let (organization, at) = (actor.organization, actor.at);
                Ok(Group {
                    id: *id,
                    organization,
                    name,
                    description,
                    members: 0,
                    created_at: at,
                    updated_at: at,
                })
            })
        })
        .await
    }

    /// A group of the organization.
    pub async fn group(&self, organization: OrganizationId, name: GroupName) -> Result<Option<Group>> {
        const BY_ID: &str = select_group!("g.id = $1 AND g.organization_id = $2");
        const BY_NAME: &str = select_group!("g.name = $1 AND g.organization_id = $2");
        let row: Option<GroupRow> = on!(self, pool => match &name {
            GroupName::Id(id) => sqlx::query_as(BY_ID).bind(id).bind(organization).fetch_optional(pool).await,
            GroupName::Name(name) => {
                sqlx::query_as(BY_NAME).bind(name).bind(organization).fetch_optional(pool).await
            }
        })?;
        Ok(row.map(Group::from))
    }

    /// Replaces name and description of a group of the organization. `None`: there is none.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] if another group has that name.
    pub async fn update_group(&self, actor: Actor, id: GroupId, text: GroupText) -> Result<Option<Group>> {
        const SQL: &str =
            "UPDATE member_group SET name = $2, description = $3, updated_at = $4 WHERE id = $1";
        self.write((actor, id, text), |tx, (actor, id, text)| {
            Box::pin(async move {
                let Some(mut group) = lock_group(tx, actor, *id).await? else { return Ok(None) };
                if (&group.name, &group.description) == (&text.name, &text.description) {
                    return Ok(Some(group));
                }
                GroupText { name: group.name, description: group.description } = text.clone();
                group.updated_at = actor.at.max(group.updated_at);
                execute!(tx, SQL, *id, &text.name, &text.description, group.updated_at).map_err(taken)?;
                let entry = Entry::new("group.update", id).with("name", text.name.as_str());
                log_audit(tx, actor, &entry).await?;
                Ok(Some(group))
            })
        })
        .await
    }

    /// Deletes a group of the organization with its memberships and roles. `false`: there is none.
    pub async fn delete_group(&self, actor: Actor, id: GroupId) -> Result<bool> {
        const SQL: &str = "DELETE FROM member_group WHERE id = $1 AND organization_id = $2";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                if execute!(tx, SQL, *id, actor.organization)? == 0 {
                    return Ok(false);
                }
                log_audit(tx, actor, &Entry::new("group.delete", id)).await?;
                Ok(true)
            })
        })
        .await
    }

    /// A page of the organization's groups, oldest first.
    pub async fn groups(
        &self,
        organization: OrganizationId,
        filter: &GroupFilter,
        page: PageRequest,
    ) -> Result<Page<Group>> {
        let narrowed = i64::from(!filter.ids.is_empty());
        let nobody = GroupId(uuid::Uuid::nil());
        let ids = filter.ids.iter().copied().chain(std::iter::repeat(nobody)).take(ID_PLACES);
        let rows: Vec<GroupRow> = on!(self, pool => {
            let mut query = sqlx::query_as(LIST)
                .bind(organization).bind(page.after.0).bind(page.size.with_lookahead())
                .bind(contains(&filter.search)).bind(narrowed);
            for id in ids {
                query = query.bind(id);
            }
            query.fetch_all(pool).await
        })?;
        Ok(Page::cut(rows.into_iter().map(Group::from).collect(), page.size, |group: &Group| group.id.0))
    }
}

/// A group of the organization, which nobody else changes or deletes until the transaction ends.
pub(super) async fn lock_group(tx: &mut Tx, actor: &Actor, id: GroupId) -> Result<Option<Group>> {
    const FIND: &str = select_group!("g.id = $1 AND g.organization_id = $2");
    const FIND_LOCKED: &str = select_group!("g.id = $1 AND g.organization_id = $2 FOR UPDATE OF g");
    let sql = dialect(tx, FIND, FIND_LOCKED);
    let row: Option<GroupRow> = on_tx!(tx, conn => sqlx::query_as(sql)
        .bind(id).bind(actor.organization).fetch_optional(conn).await)?;
    Ok(row.map(Group::from))
}

fn taken(error: Error) -> Error {
    match error.kind() {
        Kind::AlreadyExists => {
            Error::new(Kind::AlreadyExists, "group already exists").blaming("name", "sealink.unique")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn a_search_is_no_pattern() {
        assert_eq!(contains(""), "");
        assert_eq!(contains("Plat"), "%plat%");
        assert_eq!(contains(r"5%_\"), r"%5\%\_\\%");
    }
}
