//! Payloads that a forge publishes as examples, of which a scenario changes single members.
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// Payloads by name, of one forge.
pub(super) struct Examples(Map<String, Value>);

/// Of GitHub Enterprise Server's published description; `tests/forge/payloads` made them.
pub(super) static GITHUB: LazyLock<Examples> =
    LazyLock::new(|| Examples::read(include_str!("../../../fixtures/forges/github.json")));
/// In the shape of GitLab's documentation, which nobody publishes as data.
pub(super) static GITLAB: LazyLock<Examples> =
    LazyLock::new(|| Examples::read(include_str!("../../../fixtures/forges/gitlab.json")));

impl Examples {
    fn read(text: &str) -> Self {
        let mut fixture: Value = serde_json::from_str(text).expect("a fixture");
        let Value::Object(payloads) = fixture["payloads"].take() else { panic!("no payloads") };
        Self(payloads)
    }

    /// The payload of this name, or the first of a list, with these members instead of its own.
    pub(super) fn with(&self, name: &str, over: &Value) -> Value {
        let found = self.0.get(name).unwrap_or_else(|| panic!("no payload {name}"));
        changed(found.get(0).unwrap_or(found).clone(), over)
    }

    /// The payload of this name as it was published.
    pub(super) fn plain(&self, name: &str) -> Value {
        self.with(name, &Value::Object(Map::new()))
    }
}

/// The payload with these members instead of its own.
pub(super) fn changed(mut payload: Value, over: &Value) -> Value {
    change(&mut payload, over, "");
    payload
}

/// Only what is there can be changed, and only into what could be there: a fake that makes up members proves nothing.
fn change(found: &mut Value, over: &Value, at: &str) {
    if let (Value::Object(found), Value::Object(over)) = (&mut *found, over) {
        for (name, over) in over {
            let at = format!("{at}.{name}");
            change(found.get_mut(name).unwrap_or_else(|| panic!("the forge says no {at}")), over, &at);
        }
        return;
    }
    let same = std::mem::discriminant(found) == std::mem::discriminant(over);
    assert!(same || found.is_null() || over.is_null(), "{at} is of another type");
    found.clone_from(over);
}

/// What the forge leaves out here.
pub(super) fn without(mut payload: Value, members: &[&str]) -> Value {
    let object = payload.as_object_mut().expect("an object");
    for member in members {
        object.remove(*member).unwrap_or_else(|| panic!("the forge says no {member}"));
    }
    payload
}
