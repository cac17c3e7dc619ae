//! Members' public SSH keys.
use sqlx::FromRow;

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
        ssh_key::{MOST_KEYS, NewSshKey, SshKey},
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
    FROM ssh_key WHERE member_id = $1 ORDER BY id LIMIT $2";

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
                let key = insert(tx, actor, *member, *id, new).await?;
                let entry = Entry::new("ssh_key.create", id)
                    .with("name", key.name.as_str())
                    .with("fingerprint", key.fingerprint.as_str());
                log_audit(tx, actor, &entry).await?;
                Ok(key)
            })
        })
        .await
    }

    /// All keys of a member, oldest first.
    pub async fn ssh_keys(&self, member: UserId) -> Result<Vec<SshKey>> {
        let most = i64::try_from(MOST_KEYS).unwrap_or(i64::MAX);
        let rows: Vec<Row> =
            on!(self, pool => sqlx::query_as(LIST).bind(member).bind(most).fetch_all(pool).await)?;
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

async fn insert(tx: &mut Tx, actor: &Actor, member: UserId, id: SshKeyId, new: &NewSshKey) -> Result<SshKey> {
    const COUNT: &str = "SELECT COUNT(*) FROM ssh_key WHERE member_id = $1";
    const SQL: &str = "INSERT INTO ssh_key (id, organization_id, member_id, name, content, fingerprint, \
        md5_fingerprint, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let there: i64 = on_tx!(tx, conn => sqlx::query_scalar(COUNT).bind(member).fetch_one(conn).await)?;
    if usize::try_from(there).is_ok_and(|there| there >= MOST_KEYS) {
        return Err(Error::new(Kind::Precondition, "is one too many: nobody has more than 1000 keys")
            .blaming("content", "sealink.count"));
    }
    let (content, fingerprint, md5) = (new.key.content(), new.key.fingerprint(), new.key.md5_fingerprint());
    execute!(tx, SQL, id, actor.organization, member, &new.name, content, fingerprint, md5, actor.at)
        .map_err(|error| match error.kind() {
            Kind::AlreadyExists => {
                Error::new(Kind::AlreadyExists, "has already been taken").blaming("content", "sealink.unique")
            }
            _ => error,
        })?;
    Ok(SshKey {
        id,
        member,
        name: new.name.clone(),
        content: content.to_owned(),
        fingerprint: fingerprint.to_owned(),
        md5_fingerprint: md5.to_owned(),
        created_at: actor.at,
    })
}
