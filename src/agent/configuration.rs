//! What an agent works from: the runner's objects at one revision, ciphertext as received.
use std::{collections::BTreeMap, sync::Arc};

use super::llm;
use crate::{
    clock::Instant,
    domain::id::RunnerId,
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        ConfigurationObject, ConfigurationSnapshot, ConfiguredIntegration, ConfiguredLlmIntegration,
        ConfiguredSpec, DeletedObject, WatchConfigurationResponse, configuration_object::Object,
        deleted_object, watch_configuration_response::Event,
    },
};

/// What tells objects apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An SCM integration, by id.
    Integration(String),
    /// The runner's own settings: there is one.
    Spec,
    /// An environment class, by id.
    EnvironmentClass(String),
    /// An LLM integration, by id.
    Llm(String),
}

impl Key {
    /// The id of an SCM integration; "" for everything else.
    #[must_use]
    pub fn integration_id(&self) -> &str {
        match self {
            Self::Integration(id) => id,
            _ => "",
        }
    }

    /// The id of an LLM integration; "" for everything else.
    #[must_use]
    pub fn llm_integration_id(&self) -> &str {
        match self {
            Self::Llm(id) => id,
            _ => "",
        }
    }

    fn of(object: &ConfigurationObject) -> Option<Self> {
        Some(match object.object.as_ref()? {
            Object::ScmIntegration(found) => Self::Integration(found.id.clone()),
            Object::Spec(_) => Self::Spec,
            Object::EnvironmentClass(found) => Self::EnvironmentClass(found.id.clone()),
            Object::LlmIntegration(found) => Self::Llm(found.integration.as_ref()?.id.clone()),
        })
    }
}

/// What a message of the watch changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything may be another.
    Snapshot,
    /// One object is new or another.
    Put(Key),
    /// One object is gone.
    Deleted(Key),
    /// A person's credential must not be used any more. The agent keeps none, so nothing else changes.
    HostToken,
    /// Nothing: the server is there, and the configuration is the last one.
    Confirmed,
}

/// The objects of one runner at one revision. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Identifies the server's history; empty before the first snapshot.
    pub epoch: String,
    /// Grows with every change; 0 before the first snapshot.
    pub revision: u64,
    /// When the server last said that this is the configuration.
    pub confirmed_at: Instant,
    objects: BTreeMap<Key, Arc<ConfigurationObject>>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { epoch: String::new(), revision: 0, confirmed_at: Instant(0), objects: BTreeMap::new() }
    }
}

impl Configuration {
    /// Whether there was a first snapshot.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.epoch.is_empty()
    }

    /// The same objects, of no known history: the next watch asks for everything.
    #[must_use]
    pub fn adrift(&self) -> Self {
        Self { epoch: String::new(), revision: 0, ..self.clone() }
    }

    /// The SCM integrations, by id.
    pub fn integrations(&self) -> impl Iterator<Item = &ConfiguredIntegration> {
        self.objects.values().filter_map(|object| match object.object.as_ref()? {
            Object::ScmIntegration(found) => Some(found),
            _ => None,
        })
    }

    /// One of them.
    #[must_use]
    pub fn integration(&self, id: &str) -> Option<&ConfiguredIntegration> {
        self.integrations().find(|found| found.id == id)
    }

    /// The LLM integrations, by id.
    pub fn llm_integrations(&self) -> impl Iterator<Item = &ConfiguredLlmIntegration> {
        self.objects.values().filter_map(|object| match object.object.as_ref()? {
            Object::LlmIntegration(found) => Some(found),
            _ => None,
        })
    }

    /// One of them.
    #[must_use]
    pub fn llm_integration(&self, id: &str) -> Option<&ConfiguredLlmIntegration> {
        self.llm_integrations().find(|found| llm::plain(found).id == id)
    }

    /// The runner's own settings.
    #[must_use]
    pub fn spec(&self) -> Option<&ConfiguredSpec> {
        match self.objects.get(&Key::Spec)?.object.as_ref()? {
            Object::Spec(found) => Some(found),
            _ => None,
        }
    }

    /// One object of any kind.
    #[must_use]
    pub fn object(&self, key: &Key) -> Option<&Arc<ConfigurationObject>> {
        self.objects.get(key)
    }

    /// Everything.
    pub fn objects(&self) -> impl Iterator<Item = (&Key, &Arc<ConfigurationObject>)> {
        self.objects.iter()
    }

    /// The configuration after a message of the watch, and what it changed. Messages may come again: the
    /// outcome is the same, and the revision never goes back within an epoch.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] for a snapshot of another runner, and for a change of another epoch than ours: watch
    /// again from nothing.
    pub fn after(
        &self,
        message: WatchConfigurationResponse,
        runner: RunnerId,
        now: Instant,
    ) -> Result<(Self, Change)> {
        let WatchConfigurationResponse { epoch, revision, event } = message;
        if let Some(Event::Snapshot(snapshot)) = event {
            return Ok((Self::from_snapshot(epoch, revision, snapshot, runner, now)?, Change::Snapshot));
        }
        if epoch != self.epoch {
            return Err(Error::new(
                Kind::DataLoss,
                "the server's history is another one, and it sent no snapshot",
            ));
        }
        let mut next = Self { revision: self.revision.max(revision), confirmed_at: now, ..self.clone() };
        let change = match event {
            Some(Event::Put(object)) => next.put(object),
            Some(Event::Deleted(object)) => next.delete(object),
            _ => Change::Confirmed,
        };
        Ok((next, change))
    }

    /// As a message that has the same effect.
    #[must_use]
    pub fn to_snapshot(&self, runner: RunnerId) -> WatchConfigurationResponse {
        let objects = self.objects.values().map(|object| ConfigurationObject::clone(object)).collect();
        let snapshot = ConfigurationSnapshot { runner_id: runner.to_string(), objects };
        WatchConfigurationResponse {
            epoch: self.epoch.clone(),
            revision: self.revision,
            event: Some(Event::Snapshot(snapshot)),
        }
    }

    fn from_snapshot(
        epoch: String,
        revision: u64,
        snapshot: ConfigurationSnapshot,
        runner: RunnerId,
        now: Instant,
    ) -> Result<Self> {
        if RunnerId::parse("runner_id", &snapshot.runner_id).ok() != Some(runner) {
            return Err(Error::new(
                Kind::DataLoss,
                "the server answered with another runner's configuration",
            ));
        }
        let mut next = Self { epoch, revision, confirmed_at: now, objects: BTreeMap::new() };
        for object in snapshot.objects {
            next.put(object);
        }
        Ok(next)
    }

    fn put(&mut self, object: ConfigurationObject) -> Change {
        // A kind of object that this agent does not know yet is none of its business.
        let Some(key) = Key::of(&object) else { return Change::Confirmed };
        self.objects.insert(key.clone(), Arc::new(object));
        Change::Put(key)
    }

    fn delete(&mut self, object: DeletedObject) -> Change {
        let key = match object.object {
            Some(deleted_object::Object::ScmIntegrationId(id)) => Key::Integration(id),
            Some(deleted_object::Object::EnvironmentClassId(id)) => Key::EnvironmentClass(id),
            Some(deleted_object::Object::LlmIntegrationId(id)) => Key::Llm(id),
            Some(deleted_object::Object::HostToken(_)) => return Change::HostToken,
            None => return Change::Confirmed,
        };
        self.objects.remove(&key);
        Change::Deleted(key)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const RUNNER: RunnerId = RunnerId(Uuid::from_u128(1));

    fn integration(id: &str, version: u64) -> ConfigurationObject {
        let found = ConfiguredIntegration { id: id.to_owned(), version, ..Default::default() };
        ConfigurationObject { object: Some(Object::ScmIntegration(found)) }
    }

    fn message(revision: u64, event: Event) -> WatchConfigurationResponse {
        WatchConfigurationResponse { epoch: "e".to_owned(), revision, event: Some(event) }
    }

    fn snapshot(revision: u64, objects: Vec<ConfigurationObject>) -> WatchConfigurationResponse {
        message(revision, Event::Snapshot(ConfigurationSnapshot { runner_id: RUNNER.to_string(), objects }))
    }

    fn deleted(id: &str) -> Event {
        Event::Deleted(DeletedObject {
            object: Some(deleted_object::Object::ScmIntegrationId(id.to_owned())),
        })
    }

    fn versions(configuration: &Configuration) -> Vec<(String, u64)> {
        configuration.integrations().map(|found| (found.id.clone(), found.version)).collect()
    }

    #[test]
    fn snapshots_replace_and_changes_apply_once_or_twice() {
        let none = Configuration::default();
        let (first, change) = none.after(snapshot(5, vec![integration("a", 1)]), RUNNER, Instant(1)).unwrap();
        assert_eq!((change, first.revision, first.is_known()), (Change::Snapshot, 5, true));
        let put = || message(6, Event::Put(integration("b", 1)));
        let (second, change) = first.after(put(), RUNNER, Instant(2)).unwrap();
        assert_eq!(change, Change::Put(Key::Integration("b".to_owned())));
        let (again, _) = second.after(put(), RUNNER, Instant(3)).unwrap();
        assert_eq!((versions(&again), again.revision), (versions(&second), 6));
        let (gone, change) = again.after(message(7, deleted("a")), RUNNER, Instant(4)).unwrap();
        assert_eq!(change, Change::Deleted(Key::Integration("a".to_owned())));
        assert_eq!(versions(&gone), [("b".to_owned(), 1)]);
        let (gone, _) = gone.after(message(7, deleted("a")), RUNNER, Instant(5)).unwrap();
        assert_eq!((gone.revision, gone.confirmed_at), (7, Instant(5)));
        let (late, _) = gone.after(put(), RUNNER, Instant(6)).unwrap();
        assert_eq!(late.revision, 7, "a message that comes again does not take the revision back");
        let (fresh, _) = late.after(snapshot(2, Vec::new()), RUNNER, Instant(7)).unwrap();
        assert_eq!((fresh.revision, fresh.objects().count()), (2, 0));
    }

    #[test]
    fn another_runner_or_another_history_is_refused() {
        let none = Configuration::default();
        let other = RunnerId(Uuid::from_u128(2));
        assert_eq!(none.after(snapshot(1, vec![]), other, Instant(1)).unwrap_err().kind(), Kind::DataLoss);
        let (known, _) = none.after(snapshot(5, vec![]), RUNNER, Instant(1)).unwrap();
        let mut foreign = message(6, deleted("a"));
        foreign.epoch = "another".to_owned();
        assert_eq!(known.after(foreign, RUNNER, Instant(2)).unwrap_err().kind(), Kind::DataLoss);
    }

    #[test]
    fn as_a_snapshot_it_is_the_same() {
        let objects = vec![integration("a", 3), integration("b", 4)];
        let (known, _) = Configuration::default().after(snapshot(5, objects), RUNNER, Instant(1)).unwrap();
        let (again, _) =
            Configuration::default().after(known.to_snapshot(RUNNER), RUNNER, Instant(2)).unwrap();
        assert_eq!((versions(&again), again.revision, &again.epoch), (versions(&known), 5, &known.epoch));
    }
}
