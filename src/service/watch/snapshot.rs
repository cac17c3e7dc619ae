//! Everything a runner sees, at one moment. A new kind of object is one more list here.
use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    domain::{
        environment_class::{ClassFilter, EnvironmentClass},
        id::{OrganizationId, RunnerId},
        integration::Integration,
        llm_integration::LlmIntegration,
        page::{After, PageRequest, PageSize},
        runner::Runner,
    },
    error::{Error, Kind, Result},
    store::{ClassScope, LlmScope, Store},
};

/// How often a configuration that changes while it is read is read again.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);
/// How many rows are read at once.
const ROWS: i32 = 100;

/// A runner's whole configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// The runner, at the snapshot's revision.
    pub runner: Runner,
    /// Everything else.
    pub objects: Arc<Objects>,
}

/// What a runner has, besides what it is itself: it changes with the runner's revision only.
#[derive(Debug, Default)]
pub struct Objects {
    /// Its SCM integrations.
    pub integrations: Vec<Integration>,
    /// Its environment classes.
    pub classes: Vec<EnvironmentClass>,
    /// Its LLM integrations.
    pub llm_integrations: Vec<LlmIntegration>,
}

impl Objects {
    /// How many there are of all kinds.
    pub(in crate::service) fn count(&self) -> usize {
        self.integrations.len() + self.classes.len() + self.llm_integrations.len()
    }
}

impl Snapshot {
    /// Reads it. Classes and LLM integrations may be newer than the revision: then a later change says so again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the runner is gone, [`Kind::Unavailable`] if it changes all the time.
    pub(super) async fn read(store: &Store, organization: OrganizationId, id: RunnerId) -> Result<Self> {
        let mut attempt = 0;
        let found = loop {
            attempt += 1;
            match store.configuration(organization, id).await {
                Err(error) if error.kind() == Kind::Unavailable && attempt < ATTEMPTS => sleep(PAUSE).await,
                found => break found?.ok_or_else(|| Error::not_found("runner"))?,
            }
        };
        let objects = Objects {
            classes: classes_of(store, id).await?,
            llm_integrations: llm_integrations_of(store, id).await?,
            integrations: found.integrations,
        };
        Ok(Self { runner: found.runner, objects: Arc::new(objects) })
    }

    /// Reads it as it is at one revision. Every change of anything in it counts the revision up in its own
    /// transaction, so what was read between two looks at the same revision is of that revision.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub(in crate::service) async fn read_whole(
        store: &Store,
        organization: OrganizationId,
        id: RunnerId,
    ) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let snapshot = Self::read(store, organization, id).await?;
            if store.revision(id).await? == Some(snapshot.runner.revision) {
                return Ok(snapshot);
            }
            sleep(PAUSE).await;
        }
        Err(Error::new(Kind::Unavailable, "the configuration changes faster than it can be read")
            .retry_after(Duration::from_secs(1)))
    }
}

/// Every environment class of a runner.
async fn classes_of(store: &Store, runner: RunnerId) -> Result<Vec<EnvironmentClass>> {
    let (size, mut after, mut rows) = (PageSize::parse(ROWS)?, After::START, Vec::new());
    let filter = ClassFilter::default();
    loop {
        let page = PageRequest { size, after };
        let page = store.environment_classes(ClassScope::Runner(runner), &filter, page).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => return Ok(rows),
        }
    }
}

/// Every LLM integration of a runner.
async fn llm_integrations_of(store: &Store, runner: RunnerId) -> Result<Vec<LlmIntegration>> {
    let (size, mut after, mut rows) = (PageSize::parse(ROWS)?, After::START, Vec::new());
    loop {
        let page = store.llm_integrations(LlmScope::Runner(runner), PageRequest { size, after }).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => return Ok(rows),
        }
    }
}
