//! What is written down about every change, in the change's own transaction.
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    clock::Instant,
    domain::{
        access::{Caller, Principal},
        id::OrganizationId,
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
        Self { organization: caller.organization, kind, id, token: caller.token.to_string(), at, entry_id }
    }

    /// The server itself, making one change at `at`.
    #[must_use]
    pub fn server(organization: OrganizationId, at: Instant, entry_id: Uuid) -> Self {
        Self { organization, kind: "server", id: Uuid::nil(), token: String::new(), at, entry_id }
    }
}

/// One entry of the audit log. Its details name fields and ids, never a secret's value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `scm_integration.create`, `runner_key.revoke`, ...
    pub action: &'static str,
    /// The changed thing's id, as text.
    pub object: String,
    /// What else is worth knowing.
    pub details: Map<String, Value>,
}

impl Entry {
    /// An entry without details.
    pub fn new(action: &'static str, object: &(impl ToString + ?Sized)) -> Self {
        Self { action, object: object.to_string(), details: Map::new() }
    }

    /// Adds one detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}
