//! Changes with the objects they are about. A new kind of object is one arm in [`resolve`] and one in
//! [`Object`].
use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use crate::{
    domain::{
        id::{IntegrationId, OrganizationId, RunnerId},
        integration::Integration,
        runner::Runner,
    },
    error::{Error, Result},
    store::{Change, Store},
};

const RUNNER: &str = "runner";
const INTEGRATION: &str = "scm_integration";
const HOST_TOKEN: &str = "host_token";

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
}

/// An object that a runner sees no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// An SCM integration.
    Integration(IntegrationId),
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
    let integrations = store.integrations_of(organization, put(changes, INTEGRATION)).await?;
    let runner = Arc::new(found);
    let seen = |change: &Change| match change.kind() {
        RUNNER => Seen::Put(Object::Runner),
        INTEGRATION => {
            let id = IntegrationId(change.object());
            let now = integrations.iter().find(|one| one.id == id).filter(|_| !change.is_deletion());
            now.map_or(Seen::Deleted(Gone::Integration(id)), |one| {
                Seen::Put(Object::Integration(Box::new(one.clone())))
            })
        }
        HOST_TOKEN if change.is_deletion() => change.credential().map_or(Seen::Nothing, |(host, subject)| {
            Seen::Deleted(Gone::HostToken(host.to_owned(), subject))
        }),
        _ => Seen::Nothing,
    };
    let event =
        |change| Event { revision: Change::revision(change), runner: runner.clone(), seen: seen(change) };
    Ok(changes.iter().map(event).collect())
}

/// The ids of objects of one kind that were put.
fn put(changes: &[Change], kind: &str) -> BTreeSet<Uuid> {
    let put = changes.iter().filter(|change| change.kind() == kind && !change.is_deletion());
    put.map(Change::object).collect()
}
