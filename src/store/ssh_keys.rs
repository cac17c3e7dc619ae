//! Members' public SSH keys.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    changes::log_audit,
    on,
    tx::{Tx, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{OrganizationId, SshKeyId, UserId},
        ssh_key::{MOST_KEYS, NewSshKey, SshKey, too_many},
    },
    error::{Error, Kind, Result},
};

#[derive(FromRow)]
struct Row {
    id: SshKeyId,
    member_id: UserId,
    name: String,
    content: String,
    fingerprint: String,
    md5_fingerprint: String,
    created_at: Instant,
}

impl From<Row> for SshKey {
    fn from(row: Row) -> Self {
        let Row { id, member_id: member, name, content, fingerprint, md5_fingerprint, created_at } = row;
        Self { id, member, name, content, fingerprint, md5_fingerprint, created_at }
    }
}

pub(super) const LIST: &str = "SELECT id, member_id, name, content, fingerprint, md5_fingerprint, created_at \
    FROM ssh_key WHERE organization_id = $1 AND member_id = $2 ORDER BY id LIMIT $3";

impl Store {
    /// Stores a key of a member.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] on `content` if the member has it; [`Kind::Precondition`] if it has too many.
    pub async fn create_ssh_key(
        &self,
        actor: Actor,
        member: UserId,
        id: SshKeyId,
        new: NewSshKey,
    ) -> Result<SshKey> {
        self.write((actor, member, id, new), |tx, (actor, member, id, new)| {
            Box::pin(async move {
                if count(tx, actor, *member).await? >= MOST_KEYS {
                    return Err(too_many());
                }
                let key = insert(tx, actor, *member, *id, new).await?;
                key.ok_or_else(|| {
                    Error::new(Kind::AlreadyExists, "has already been taken")
                        .blaming("content", "sealink.unique")
                })
            })
        })
        .await
    }

    /// Stores those keys of a member that it has not yet, all or none, and answers these. Each brings its id and that of
    /// its audit entry.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the member would have too many.
    pub async fn import_ssh_keys(
        &self,
        actor: Actor,
        member: UserId,
        new: Vec<(SshKeyId, Uuid, NewSshKey)>,
    ) -> Result<Vec<SshKey>> {
        self.write((actor, member, new), |tx, (actor, member, new)| {
            Box::pin(async move {
                let there = count(tx, actor, *member).await?;
                let mut imported = Vec::new();
                for (id, entry_id, new) in new {
                    let actor = Actor { entry_id: *entry_id, ..actor.clone() };
                    imported.extend(insert(tx, &actor, *member, *id, new).await?);
                    if there + imported.len() > MOST_KEYS {
                        return Err(too_many());
                    }
                }
                Ok(imported)
            })
        })
        .await
    }

    /// All keys of a member, oldest first.
    pub async fn ssh_keys(&self, organization: OrganizationId, member: UserId) -> Result<Vec<SshKey>> {
        let most = i64::try_from(MOST_KEYS).unwrap_or(i64::MAX);
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(LIST)
            .bind(organization).bind(member).bind(most).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(SshKey::from).collect())
    }

    /// One key of a member.
    pub async fn ssh_key(
        &self,
        organization: OrganizationId,
        member: UserId,
        id: SshKeyId,
    ) -> Result<Option<SshKey>> {
        const SQL: &str = "SELECT id, member_id, name, content, fingerprint, md5_fingerprint, created_at \
            FROM ssh_key WHERE id = $1 AND organization_id = $2 AND member_id = $3";
        let row: Option<Row> = on!(self, pool => sqlx::query_as(SQL)
            .bind(id).bind(organization).bind(member).fetch_optional(pool).await)?;
        Ok(row.map(SshKey::from))
    }

    /// Deletes a key of a member. `false`: there is none.
    pub async fn delete_ssh_key(&self, actor: Actor, member: UserId, id: SshKeyId) -> Result<bool> {
        const SQL: &str = "DELETE FROM ssh_key WHERE id = $1 AND organization_id = $2 AND member_id = $3";
        self.write((actor, member, id), |tx, (actor, member, id)| {
            Box::pin(async move {
                if execute!(tx, SQL, *id, actor.organization, *member)? == 0 {
                    return Ok(false);
                }
                log_audit(tx, actor, &Entry::new("ssh_key.delete", id)).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn count(tx: &mut Tx, actor: &Actor, member: UserId) -> Result<usize> {
    const SQL: &str = "SELECT COUNT(*) FROM ssh_key WHERE organization_id = $1 AND member_id = $2";
    let there: i64 = on_tx!(tx, conn => sqlx::query_scalar(SQL)
        .bind(actor.organization).bind(member).fetch_one(conn).await)?;
    usize::try_from(there).map_err(Error::internal)
}

/// Stores a key with its audit entry; `None` if the member has it.
async fn insert(
    tx: &mut Tx,
    actor: &Actor,
    member: UserId,
    id: SshKeyId,
    new: &NewSshKey,
) -> Result<Option<SshKey>> {
    const SQL: &str = "INSERT INTO ssh_key (id, organization_id, member_id, name, content, fingerprint, \
        md5_fingerprint, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (member_id, fingerprint) DO NOTHING";
    let (name, key) = (new.name(), new.key());
    let (content, fingerprint, md5) = (key.content(), key.fingerprint(), key.md5_fingerprint());
    if execute!(tx, SQL, id, actor.organization, member, name, content, fingerprint, md5, actor.at)? == 0 {
        return Ok(None);
    }
    let entry = Entry::new("ssh_key.create", &id).with("name", name).with("fingerprint", fingerprint);
    log_audit(tx, actor, &entry).await?;
    Ok(Some(SshKey {
        id,
        member,
        name: name.to_owned(),
        content: content.to_owned(),
        fingerprint: fingerprint.to_owned(),
        md5_fingerprint: md5.to_owned(),
        created_at: actor.at,
    }))
}
