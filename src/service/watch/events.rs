//! Changes with the objects they are about. A new kind of object is one variant of [`ObjectKind`], one arm of
//! [`seen`], and one variant of [`Object`].
use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use crate::{
    domain::{
        change::ObjectKind,
        environment_class::EnvironmentClass,
        id::{EnvironmentClassId, IntegrationId, LlmIntegrationId, OrganizationId, RunnerId},
        integration::Integration,
        llm_integration::LlmIntegration,
        runner::Runner,
    },
    error::{Error, Result},
    store::{Change, Store},
};

/// One change, as every watcher of the runner sees it.
#[derive(Debug)]
pub struct Event {
    /// The runner's revision with it.
    pub revision: u64,
    /// The runner as it was when the change was read.
    pub runner: Arc<Runner>,
    /// What happened.
    pub seen: Seen,
}

/// What an agent sees of a change.
#[derive(Debug)]
pub enum Seen {
    /// The object is now this.
    Put(Object),
    /// The object is gone.
    Deleted(Gone),
    /// A change of something agents are not told of: only the revision is new.
    Nothing,
}

/// An object that a runner sees.
#[derive(Debug)]
pub enum Object {
    /// The runner's own settings.
    Runner,
    /// An SCM integration.
    Integration(Box<Integration>),
    /// An environment class.
    Class(Box<EnvironmentClass>),
    /// An LLM integration.
    Llm(Box<LlmIntegration>),
}

/// An object that a runner sees no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// An SCM integration.
    Integration(IntegrationId),
    /// An environment class.
    Class(EnvironmentClassId),
    /// An LLM integration.
    Llm(LlmIntegrationId),
    /// Somebody's credential: at which host, and whose.
    HostToken(String, Uuid),
}

/// The events of changes that follow each other. Objects are read after the changes, so an object is at least as
/// new as its change; one that is gone by now is told as deleted, which its own change will say again.
///
/// # Errors
/// [`Kind::NotFound`](crate::error::Kind::NotFound) if the runner is gone.
pub(super) async fn resolve(
    store: &Store,
    organization: OrganizationId,
    runner: RunnerId,
    changes: &[Change],
) -> Result<Vec<Event>> {
    let found = store.runner(organization, runner).await?.ok_or_else(|| Error::not_found("runner"))?;
    let now = read(store, organization, changes).await?;
    let runner = Arc::new(found);
    let event = |change: &Change| Event {
        revision: change.revision(),
        runner: Arc::clone(&runner),
        seen: seen(change, &now),
    };
    Ok(changes.iter().map(event).collect())
}

/// What an agent sees of a change, if the objects are now as in `now`.
fn seen(change: &Change, now: &Now) -> Seen {
    let id = change.object();
    let Some(kind) = change.kind() else { return Seen::Nothing };
    match kind {
        ObjectKind::Runner => Seen::Put(Object::Runner),
        ObjectKind::Integration => {
            let one = now.integrations.iter().find(|one| one.id.0 == id).filter(|_| !change.is_deletion());
            one.map_or(Seen::Deleted(Gone::Integration(IntegrationId(id))), |one| {
                Seen::Put(Object::Integration(Box::new(one.clone())))
            })
        }
        ObjectKind::EnvironmentClass => {
            let one = now.classes.iter().find(|one| one.id.0 == id).filter(|_| !change.is_deletion());
            one.map_or(Seen::Deleted(Gone::Class(EnvironmentClassId(id))), |one| {
                Seen::Put(Object::Class(Box::new(one.clone())))
            })
        }
        ObjectKind::LlmIntegration => {
            let one =
                now.llm_integrations.iter().find(|one| one.id.0 == id).filter(|_| !change.is_deletion());
            one.map_or(Seen::Deleted(Gone::Llm(LlmIntegrationId(id))), |one| {
                Seen::Put(Object::Llm(Box::new(one.clone())))
            })
        }
        ObjectKind::HostToken => {
            let gone = change.credential().filter(|_| change.is_deletion());
            gone.map_or(Seen::Nothing, |(host, subject)| {
                Seen::Deleted(Gone::HostToken(host.to_owned(), subject))
            })
        }
    }
}

/// Objects that changed, as they are now.
struct Now {
    integrations: Vec<Integration>,
    classes: Vec<EnvironmentClass>,
    llm_integrations: Vec<LlmIntegration>,
}

async fn read(store: &Store, organization: OrganizationId, changes: &[Change]) -> Result<Now> {
    let mut now = Now {
        integrations: store.integrations_of(organization, put(changes, ObjectKind::Integration)).await?,
        classes: Vec::new(),
        llm_integrations: Vec::new(),
    };
    for id in put(changes, ObjectKind::EnvironmentClass) {
        let found = store.environment_class(organization, EnvironmentClassId(id)).await?;
        now.classes.extend(found.map(|(class, _)| class));
    }
    for id in put(changes, ObjectKind::LlmIntegration) {
        let found = store.llm_integration(organization, LlmIntegrationId(id)).await?;
        now.llm_integrations.extend(found.map(|(integration, _)| integration));
    }
    Ok(now)
}

/// The ids of objects of one kind that were put.
fn put(changes: &[Change], kind: ObjectKind) -> BTreeSet<Uuid> {
    let put = changes.iter().filter(|change| change.kind() == Some(kind) && !change.is_deletion());
    put.map(Change::object).collect()
}
