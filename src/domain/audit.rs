//! What is written down about every change, in the change's own transaction.
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    clock::Instant,
    domain::{
        access::{Caller, Principal},
        audit_chain::{Link, StoredEntry},
        id::{OrganizationId, RunnerId},
        idempotency::Once,
        page::After,
    },
};

/// Who makes a change, and when.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Where it happens.
    pub organization: OrganizationId,
    /// `user`, `service_account`, `runner` or `server`.
    pub kind: &'static str,
    /// The user's, service account's or runner's id; nil for the server itself.
    pub id: Uuid,
    /// The token used; empty for the server itself.
    pub token: String,
    /// When.
    pub at: Instant,
    /// The id of the audit entry the change writes; one actor makes one change.
    pub entry_id: Uuid,
    /// What is to be written down with the change, if its request names itself.
    pub once: Option<Once>,
}

impl Actor {
    /// The caller of a request, making one change at `at`.
    #[must_use]
    pub fn caller(caller: &Caller, at: Instant, entry_id: Uuid) -> Self {
        let (kind, id) = match caller.principal {
            Principal::User { id, .. } => ("user", id.0),
            Principal::ServiceAccount { id, .. } => ("service_account", id.0),
            Principal::Runner { id } => ("runner", id.0),
        };
        let (organization, token, once) =
            (caller.organization, caller.token.to_string(), caller.once.clone());
        Self { organization, kind, id, token, at, entry_id, once }
    }

    /// The server itself, making one change at `at`.
    #[must_use]
    pub fn server(organization: OrganizationId, at: Instant, entry_id: Uuid) -> Self {
        Self { organization, kind: "server", id: Uuid::nil(), token: String::new(), at, entry_id, once: None }
    }
}

/// One entry of the audit log. Its details name fields and ids, never a secret's value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `scm_integration.create`, `runner_key.revoke`, ...
    pub action: &'static str,
    /// The changed thing's id, as text.
    pub object: String,
    /// The runner that what is made is, or belongs to: an `Idempotency-Key` is forgotten with it. Stored in no entry.
    pub runner: Option<RunnerId>,
    /// What else is worth knowing.
    pub details: Map<String, Value>,
}

impl Entry {
    /// An entry without details.
    pub fn new(action: &'static str, object: &(impl ToString + ?Sized)) -> Self {
        Self { action, object: object.to_string(), runner: None, details: Map::new() }
    }

    /// Says which runner the changed thing belongs to, also in its details.
    #[must_use]
    pub fn of_runner(self, runner: RunnerId) -> Self {
        Self { runner: Some(runner), ..self }.with("runner", runner.to_string())
    }

    /// Adds one detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// One entry as lists show it.
#[derive(Clone, Debug)]
pub struct ListedEntry {
    /// The entry.
    pub entry: StoredEntry,
    /// Its place in the chain; `None` while it waits for one.
    pub link: Option<Link>,
}

/// Which entries a list shows; empty shows all.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// What this user or runner did.
    pub actor: Option<Uuid>,
    /// This action, or with a star at the end every one that begins so; empty for all.
    pub action: String,
    /// What was done to this thing; empty for all.
    pub object: String,
    /// Not before this moment.
    pub since: Option<Instant>,
    /// Before this moment.
    pub until: Option<Instant>,
}

impl EntryFilter {
    /// The exact action, and the beginning of the action; at most one of them is not empty.
    #[must_use]
    pub fn action(&self) -> (&str, &str) {
        match self.action.strip_suffix('*') {
            Some(beginning) => ("", beginning),
            None => (&self.action, ""),
        }
    }

    /// The ids that a page can hold, as (first, end): ids begin with the time they were made at, so that a list
    /// of some time does not walk through all others.
    #[must_use]
    pub fn ids(&self, after: After) -> (Uuid, Uuid) {
        /// How much later than its change an entry's id may be made, in milliseconds.
        const LATER: i64 = 60_000;
        let made_at = |at: Instant, later: i64| {
            let millis = at.0.div_euclid(1_000).saturating_add(later).clamp(0, (1 << 48) - 1);
            Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
        };
        let first = self.since.map_or(Uuid::nil(), |since| made_at(since, 0));
        let end = self.until.map_or(Uuid::max(), |until| made_at(until, LATER));
        (first, if after == After::START { end } else { end.min(after.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_time_is_a_range_of_ids() {
        let (before, now) = (Clock::System.now(), Clock::System.new_id());
        let filter = |since, until| EntryFilter { since, until, ..EntryFilter::default() };
        let holds = |filter: EntryFilter| {
            let (first, end) = filter.ids(After::START);
            first <= now && now < end
        };
        let hour = std::time::Duration::from_hours(1);
        let earlier = Instant(before.0 - 3_600_000_000);
        assert!(holds(filter(None, None)));
        assert!(holds(filter(Some(before), Some(before.plus(hour)))));
        assert!(!holds(filter(Some(before.plus(hour)), None)));
        assert!(!holds(filter(None, Some(earlier))));
        assert!(!holds(filter(Some(Instant(i64::MAX)), None)));
        assert!(!holds(filter(None, Some(Instant(i64::MIN)))));
        assert_eq!(filter(None, None).ids(After(now)).1, now);
    }

    #[test]
    fn a_runner_is_named_in_the_details() {
        let runner = RunnerId(Uuid::from_u128(7));
        let entry = Entry::new("environment_class.create", "id").of_runner(runner).with("name", "Large");
        let details = serde_json::json!({ "runner": runner.to_string(), "name": "Large" });
        assert_eq!((entry.runner, Value::Object(entry.details)), (Some(runner), details));
        assert_eq!(Entry::new("user.create", "id").runner, None);
    }

    #[test]
    fn a_star_stands_for_every_ending() {
        let of = |action: &str| EntryFilter { action: action.into(), ..EntryFilter::default() };
        assert_eq!(of("runner.create").action(), ("runner.create", ""));
        assert_eq!(of("runner.*").action(), ("", "runner."));
        assert_eq!(of("*").action(), ("", ""));
        assert_eq!(of("").action(), ("", ""));
    }
}
