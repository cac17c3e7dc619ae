//! The chain over each organization's audit log: entries that wait for their place, and links.
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store,
    audit_log::EntryRow,
    leases::{Lease, hold},
    on,
    tx::{dialect, execute},
};
use crate::{
    domain::{
        audit_chain::{Head, Link, MAC_BYTES, StoredEntry},
        id::OrganizationId,
    },
    error::{Error, Kind, Result},
};

/// An entry without a place in its organization's chain.
#[derive(Clone, Debug)]
pub struct PendingEntry {
    /// Whose chain it is to join.
    pub organization: OrganizationId,
    /// The entry.
    pub entry: StoredEntry,
}

#[derive(FromRow)]
struct PendingRow {
    organization_id: OrganizationId,
    #[sqlx(flatten)]
    entry: EntryRow,
}

/// A link with the entry it was made for, if that is still there.
#[derive(FromRow)]
struct LinkedRow {
    sequence: i64,
    key_id: i64,
    mac: Vec<u8>,
    present: bool,
    #[sqlx(flatten)]
    entry: EntryRow,
}

/// Of an entry that is gone, zeros.
pub(super) const LINKS: &str = "SELECT l.sequence, l.key_id, l.mac, e.id IS NOT NULL AS present, \
    coalesce(e.id, l.entry_id) AS id, coalesce(e.at, 0) AS at, coalesce(e.actor_kind, '') AS actor_kind, \
    coalesce(e.actor_id, l.entry_id) AS actor_id, coalesce(e.token_id, '') AS token_id, \
    coalesce(e.action, '') AS action, coalesce(e.object, '') AS object, coalesce(e.details, '') AS details \
    FROM audit_link l LEFT JOIN audit_entry e ON e.id = l.entry_id AND e.organization_id = l.organization_id \
    WHERE l.organization_id = $1 AND l.sequence > $2 ORDER BY l.sequence LIMIT $3";
pub(super) const HEAD: &str =
    "SELECT sequence, mac FROM audit_link WHERE organization_id = $1 ORDER BY sequence DESC LIMIT 1";

impl Store {
    /// Whether any entry waits to be chained.
    pub async fn has_pending_audit_entries(&self) -> Result<bool> {
        const SQL: &str =
            "SELECT p.entry_id FROM audit_pending p JOIN audit_entry e ON e.id = p.entry_id LIMIT 1";
        let found: Option<Uuid> = on!(self, pool => sqlx::query_scalar(SQL).fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// The next entries to be chained, at most `limit`: organization by organization, oldest first.
    pub async fn pending_audit_entries(&self, limit: u16) -> Result<Vec<PendingEntry>> {
        const SQL: &str = "SELECT p.organization_id, e.id, e.at, e.actor_kind, e.actor_id, e.token_id, e.action, \
            e.object, e.details FROM audit_pending p JOIN audit_entry e ON e.id = p.entry_id \
            ORDER BY p.organization_id, p.entry_id LIMIT $1";
        let rows: Vec<PendingRow> =
            on!(self, pool => sqlx::query_as(SQL).bind(i64::from(limit)).fetch_all(pool).await)?;
        let pending =
            |row: PendingRow| PendingEntry { organization: row.organization_id, entry: row.entry.into() };
        Ok(rows.into_iter().map(pending).collect())
    }

    /// The end of an organization's chain.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if the last link has no MAC's length.
    pub async fn audit_head(&self, organization: OrganizationId) -> Result<Head> {
        let last: Option<(i64, Vec<u8>)> =
            on!(self, pool => sqlx::query_as(HEAD).bind(organization).fetch_optional(pool).await)?;
        let Some((sequence, mac)) = last else { return Ok(Head::START) };
        let damaged = || Error::new(Kind::DataLoss, "the audit log's last link is damaged");
        let mac: [u8; MAC_BYTES] = mac.try_into().map_err(|_| damaged())?;
        Ok(Head { count: u64::try_from(sequence).map_err(|_| damaged())?, mac })
    }

    /// The MAC of one place in an organization's chain; `None` if there is no such place.
    pub async fn audit_mac(&self, organization: OrganizationId, sequence: u64) -> Result<Option<Vec<u8>>> {
        const SQL: &str = "SELECT mac FROM audit_link WHERE organization_id = $1 AND sequence = $2";
        on!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization).bind(place(sequence)).fetch_optional(pool).await)
    }

    /// The links after place `after` of an organization's chain, at most `limit`, with their entries as far as
    /// those are there.
    pub async fn audit_links(
        &self,
        organization: OrganizationId,
        after: u64,
        limit: u16,
    ) -> Result<Vec<(Link, Option<StoredEntry>)>> {
        let rows: Vec<LinkedRow> = on!(self, pool => sqlx::query_as(LINKS)
            .bind(organization).bind(place(after)).bind(i64::from(limit)).fetch_all(pool).await)?;
        let linked = |row: LinkedRow| {
            let LinkedRow { sequence, key_id, mac, present, entry } = row;
            (link(sequence, key_id, mac), present.then(|| entry.into()))
        };
        Ok(rows.into_iter().map(linked).collect())
    }

    /// How many entries an organization has more than its chain and those that wait for it; below 0 if there are
    /// fewer.
    pub async fn stray_audit_entries(&self, organization: OrganizationId) -> Result<i64> {
        // One statement, so one moment.
        const SQL: &str = "SELECT (SELECT count(*) FROM audit_entry WHERE organization_id = $1) \
            - (SELECT count(*) FROM audit_link WHERE organization_id = $1) \
            - (SELECT count(*) FROM audit_pending WHERE organization_id = $1)";
        on!(self, pool => sqlx::query_scalar(SQL).bind(organization).fetch_one(pool).await)
    }

    /// Appends links to an organization's chain in one statement, so that other writers wait no longer than for one;
    /// their entries wait no longer either.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if the lease was lost, [`Kind::AlreadyExists`] if a place is taken or an entry has one.
    pub async fn append_audit_links(
        &self,
        lease: Lease,
        organization: OrganizationId,
        links: Vec<(Uuid, Link)>,
    ) -> Result<()> {
        const SQLITE: &str = "INSERT INTO audit_link (organization_id, sequence, entry_id, key_id, mac) \
            SELECT $1, value ->> 0, unhex(value ->> 1), value ->> 2, unhex(value ->> 3) FROM json_each($2)";
        const POSTGRES: &str = "INSERT INTO audit_link (organization_id, sequence, entry_id, key_id, mac) \
            SELECT $1, (link ->> 0)::bigint, (link ->> 1)::uuid, (link ->> 2)::bigint, decode(link ->> 3, 'hex') \
            FROM jsonb_array_elements($2::jsonb) AS link";
        const DEQUEUE: &str = "DELETE FROM audit_pending WHERE organization_id = $1 AND entry_id IN \
            (SELECT entry_id FROM audit_link WHERE organization_id = $1 AND sequence >= $2)";
        let Some((_, first)) = links.first() else { return Ok(()) };
        let first = place(first.sequence);
        let rows: Vec<_> = links.iter().map(|(entry, link)| row(*entry, link)).collect();
        let rows = serde_json::to_string(&rows).map_err(Error::internal)?;
        self.write((lease, organization, first, rows), |tx, (lease, organization, first, rows)| {
            Box::pin(async move {
                hold(tx, lease).await?;
                let insert = dialect(tx, SQLITE, POSTGRES);
                execute!(tx, insert, *organization, rows)?;
                execute!(tx, DEQUEUE, *organization, *first).map(|_| ())
            })
        })
        .await
    }
}

/// What the statement reads of a link: its place, its entry, its seed and its MAC, bytes in hexadecimal.
fn row(entry: Uuid, link: &Link) -> (i64, String, u32, String) {
    (place(link.sequence), entry.simple().to_string(), link.key_id, hex::encode(&link.mac))
}

/// A link as stored. Numbers that only tampering can make become 0, which verifies nowhere.
pub(super) fn link(sequence: i64, key_id: i64, mac: Vec<u8>) -> Link {
    Link {
        sequence: u64::try_from(sequence).unwrap_or_default(),
        key_id: u32::try_from(key_id).unwrap_or_default(),
        mac,
    }
}

fn place(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
