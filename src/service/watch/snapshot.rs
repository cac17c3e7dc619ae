//! Everything a runner sees, at one moment. A new kind of object is one more list here.
use std::time::Duration;

use crate::{
    domain::{
        environment_class::{ClassFilter, EnvironmentClass},
        id::{OrganizationId, RunnerId},
        integration::Integration,
        llm_integration::LlmIntegration,
        page::{After, Page, PageRequest, PageSize},
        runner::Runner,
    },
    error::{Error, Kind, Result},
    store::{ClassScope, LlmScope, Store},
};

/// How often a configuration that changes while it is read is read again.
const ATTEMPTS: u32 = 8;
/// How many rows are read at once.
const ROWS: i32 = 100;

/// A runner's whole configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// The runner, at the snapshot's revision.
    pub runner: Runner,
    /// Its SCM integrations.
    pub integrations: Vec<Integration>,
    /// Its environment classes.
    pub classes: Vec<EnvironmentClass>,
    /// Its LLM integrations.
    pub llm_integrations: Vec<LlmIntegration>,
}

impl Snapshot {
    /// Reads it, again if it changes meanwhile.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the runner is gone, [`Kind::Unavailable`] if it changes all the time.
    pub(super) async fn read(store: &Store, organization: OrganizationId, runner: RunnerId) -> Result<Self> {
        let gone = || Error::not_found("runner");
        for _ in 0..ATTEMPTS {
            let found = store.configuration(organization, runner).await?.ok_or_else(gone)?;
            let filter = ClassFilter::default();
            let classes = all(
                async |page| store.environment_classes(ClassScope::Runner(runner), &filter, page).await,
                |class: &EnvironmentClass| class.id.0,
            );
            let classes = classes.await?;
            let llm_integrations = all(
                async |page| store.llm_integrations(LlmScope::Runner(runner), page).await,
                |one: &LlmIntegration| one.id.0,
            );
            let llm_integrations = llm_integrations.await?;
            if store.revision(runner).await? == Some(found.runner.revision) {
                let (runner, integrations) = (found.runner, found.integrations);
                return Ok(Self { runner, integrations, classes, llm_integrations });
            }
        }
        Err(Error::new(Kind::Unavailable, "the configuration changes faster than it can be read")
            .retry_after(Duration::from_secs(1)))
    }
}

/// Every row of a list, page by page.
async fn all<T>(
    read: impl AsyncFn(PageRequest) -> Result<Page<T>>,
    id: impl Fn(&T) -> uuid::Uuid,
) -> Result<Vec<T>> {
    let (size, mut after, mut rows) = (PageSize::parse(ROWS)?, After::START, Vec::new());
    loop {
        let page = read(PageRequest { size, after }).await?;
        rows.extend(page.rows);
        match (page.next, rows.last()) {
            (Some(_), Some(last)) => after = After(id(last)),
            _ => return Ok(rows),
        }
    }
}
