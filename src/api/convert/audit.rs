//! The audit log.
use super::{instant, timestamp};
use crate::{
    domain::{
        audit::{EntryFilter, ListedEntry},
        audit_chain::{Fault, Finding, Head, Verified},
        id::parse_uuid,
        text::plain_text,
    },
    error::Result,
    pb::sealink::v1::{self as pb, list_audit_entries_request::Filter},
};

/// An entry as administrators see it.
pub(crate) fn audit_entry(listed: ListedEntry) -> pb::AuditEntry {
    let ListedEntry { entry, link } = listed;
    let actor_id = if entry.actor_id.is_nil() { String::new() } else { entry.actor_id.to_string() };
    pb::AuditEntry {
        id: entry.id.to_string(),
        at: Some(timestamp(entry.at)),
        actor_kind: entry.actor_kind,
        actor_id,
        token_id: entry.token,
        action: entry.action,
        object: entry.object,
        details: entry.details,
        sequence: link.as_ref().map_or(0, |link| count(link.sequence)),
        mac: link.map_or_else(String::new, |link| hex::encode(&link.mac)),
    }
}

/// Of what a filter names.
const LONGEST: usize = 256;

/// What narrows a list of entries.
pub(crate) fn audit_filter(filter: Option<Filter>) -> Result<EntryFilter> {
    let Filter { actor_id, action, object, since, until } = filter.unwrap_or_default();
    let actor = Some(actor_id).filter(|id| !id.is_empty());
    Ok(EntryFilter {
        actor: actor.map(|id| parse_uuid("filter.actor_id", &id)).transpose()?,
        action: plain_text("filter.action", action, LONGEST)?,
        object: plain_text("filter.object", object, LONGEST)?,
        since: since.map(|at| instant("filter.since", at)).transpose()?,
        until: until.map(|at| instant("filter.until", at)).transpose()?,
    })
}

/// A point of a chain from the wire; absent means none was named.
pub(crate) fn audit_point(field: &str, head: Option<&pb::AuditHead>) -> Result<Option<Head>> {
    head.map(|head| Head::parse(field, head.count, &head.mac)).transpose()
}

/// A point of a chain.
pub(crate) fn audit_head(head: &Head) -> pb::AuditHead {
    pb::AuditHead { count: count(head.count), mac: head.mac_text() }
}

/// What a stretch of a verification found.
pub(crate) fn audit_verified(verified: &Verified) -> pb::VerifyAuditLogResponse {
    pb::VerifyAuditLogResponse {
        verified: Some(audit_head(&verified.head)),
        count: count(verified.count),
        done: verified.done,
        finding: verified.finding.as_ref().map(finding),
    }
}

fn finding(finding: &Finding) -> pb::AuditFinding {
    let fault = match finding.fault {
        Fault::Changed => pb::AuditFault::Changed,
        Fault::Removed => pb::AuditFault::Removed,
        Fault::Gap => pb::AuditFault::Gap,
        Fault::Cut => pb::AuditFault::Cut,
        Fault::Stray => pb::AuditFault::Stray,
        Fault::UnknownKey => pb::AuditFault::UnknownKey,
    };
    let sequence = finding.sequence.map_or(0, count);
    pb::AuditFinding { fault: fault.into(), sequence, message: finding.to_string() }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
