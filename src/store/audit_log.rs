//! The audit log as lists show it. Writing an entry is in `changes.rs`, chaining them in `audit_chain.rs`.
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, audit_chain::link, on};
use crate::{
    clock::Instant,
    domain::{
        audit::{EntryFilter, ListedEntry},
        audit_chain::StoredEntry,
        id::OrganizationId,
        page::{Page, PageRequest},
    },
    error::Result,
};

/// The columns of an entry.
#[derive(FromRow)]
pub(super) struct EntryRow {
    id: Uuid,
    at: Instant,
    actor_kind: String,
    actor_id: Uuid,
    token_id: String,
    action: String,
    object: String,
    details: String,
}

impl From<EntryRow> for StoredEntry {
    fn from(row: EntryRow) -> Self {
        let EntryRow { id, at, actor_kind, actor_id, token_id, action, object, details } = row;
        Self { id, at, actor_kind, actor_id, token: token_id, action, object, details }
    }
}

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    entry: EntryRow,
    sequence: Option<i64>,
    key_id: Option<i64>,
    mac: Option<Vec<u8>>,
}

impl From<ListedRow> for ListedEntry {
    fn from(row: ListedRow) -> Self {
        let ListedRow { entry, sequence, key_id, mac } = row;
        let place = sequence.zip(key_id).zip(mac);
        Self { entry: entry.into(), link: place.map(|((sequence, key_id), mac)| link(sequence, key_id, mac)) }
    }
}

macro_rules! list {
    ($more:literal) => {
        concat!(
            "SELECT e.id, e.at, e.actor_kind, e.actor_id, e.token_id, e.action, e.object, e.details, \
             l.sequence, l.key_id, l.mac FROM audit_entry e LEFT JOIN audit_link l ON l.entry_id = e.id \
             WHERE e.organization_id = $1 AND e.id < $3 AND e.at >= $5 AND e.at < $6 \
             AND ($7 = 0 OR e.actor_id = $8) AND (($9 = '' AND $10 = '') OR e.action = $9 \
             OR ($10 <> '' AND substr(e.action, 1, length($10)) = $10))",
            $more,
            " ORDER BY e.id DESC LIMIT $4"
        )
    };
}
pub(super) const ALL: &str = list!(" AND e.id >= $2");
/// Without the first id, which would not narrow what there is of one thing, and leads SQLite to the wrong index.
pub(super) const OF_OBJECT: &str = list!(" AND e.object = $11");

impl Store {
    /// A page of an organization's audit log, newest first.
    pub async fn audit_entries(
        &self,
        organization: OrganizationId,
        filter: EntryFilter,
        page: PageRequest,
    ) -> Result<Page<ListedEntry>> {
        let (first, end) = filter.ids(page.after);
        let (action, beginning) = filter.action();
        let (since, until) = (filter.since.unwrap_or(Instant(0)), filter.until.unwrap_or(Instant(i64::MAX)));
        let sql = if filter.object.is_empty() { ALL } else { OF_OBJECT };
        let rows: Vec<ListedRow> = on!(self, pool => {
            let query = sqlx::query_as(sql)
                .bind(organization).bind(first).bind(end).bind(page.size.with_lookahead())
                .bind(since).bind(until)
                .bind(i64::from(filter.actor.is_some())).bind(filter.actor.unwrap_or_default())
                .bind(action).bind(beginning);
            if filter.object.is_empty() {
                query.fetch_all(pool).await
            } else {
                query.bind(&filter.object).fetch_all(pool).await
            }
        })?;
        Ok(Page::cut(rows.into_iter().map(ListedEntry::from).collect(), page.size, |row| row.entry.id))
    }
}
