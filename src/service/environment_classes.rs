//! Environment classes.
use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::{Caller, Visible},
        environment_class::{ClassFilter, Draft, EnvironmentClass, Patch},
        id::{EnvironmentClassId, RunnerId},
        page::Page,
    },
    error::{Error, Kind, Result},
    store::ClassScope,
};

fn missing() -> Error {
    Error::not_found("environment class")
}

/// A runner that is not the caller's to see has no classes either.
fn unseen(error: Error) -> Error {
    if error.kind() == Kind::NotFound { missing() } else { error }
}

impl Service {
    /// Makes an enabled environment class.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner, [`Kind::Invalid`] as [`Draft::accept`].
    pub async fn create_environment_class(
        &self,
        caller: &Caller,
        draft: Draft,
    ) -> Result<EnvironmentClassId> {
        if let Some(id) = caller.repeats()? {
            return Ok(EnvironmentClassId(id));
        }
        let runner = self.reach_runner(caller, draft.runner).await?;
        let schema = self.store.schema(runner.id).await?;
        let Draft { runner: _, display_name, description, configuration } = draft.accept(schema.as_ref())?;
        let actor = self.actor(caller);
        let class = EnvironmentClass {
            id: EnvironmentClassId(self.clock.new_id()),
            runner: runner.id,
            display_name,
            description,
            configuration,
            enabled: true,
            created_at: actor.at,
            updated_at: actor.at,
        };
        let id = class.id;
        self.store.create_environment_class(actor, runner.creator, class).await?;
        Ok(id)
    }

    /// One environment class.
    ///
    /// # Errors
    /// [`Kind::NotFound`], the same for what never existed and what is another organization's;
    /// [`Kind::Forbidden`] for a class of a runner the caller may not use.
    pub async fn environment_class(
        &self,
        caller: &Caller,
        id: EnvironmentClassId,
    ) -> Result<EnvironmentClass> {
        let found = self.store.environment_class(caller.organization, id).await?;
        let (class, runner) = found.ok_or_else(missing)?;
        self.role_on(caller, &runner).await.map_err(unseen)?;
        Ok(class)
    }

    /// A page of the environment classes the caller may see, oldest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the page.
    pub async fn environment_classes(
        &self,
        caller: &Caller,
        mut filter: ClassFilter,
        ask: &PageAsk,
    ) -> Result<Listing<EnvironmentClass>> {
        filter.runners.sort_unstable();
        filter.runners.dedup();
        let fingerprint = [format!("{filter:?}")];
        let (list, now) = (List { name: "environment_classes", filter: &fingerprint }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let pages = self
            .class_scopes(caller, &filter.runners)
            .await?
            .into_iter()
            .map(|scope| self.store.environment_classes(scope, &filter, request));
        let pages = futures_util::future::try_join_all(pages).await?;
        let page = Page::merge(pages, request.size, |class| class.id.0);
        self.ring().pages.write(caller, list, page, now)
    }

    /// Where to look: in each of the runners named that the caller may see, or in all of those.
    async fn class_scopes(&self, caller: &Caller, runners: &[RunnerId]) -> Result<Vec<ClassScope>> {
        if runners.is_empty() {
            return Ok(match caller.visible() {
                Visible::Organization => vec![ClassScope::Organization(caller.organization)],
                Visible::CreatedBy(member) => {
                    vec![ClassScope::CreatedBy(member), ClassScope::GrantedTo(member)]
                }
                Visible::Only(runner) => vec![ClassScope::Runner(runner)],
            });
        }
        let mut scopes = Vec::new();
        for runner in runners {
            match self.use_runner(caller, *runner).await {
                Ok(_) => scopes.push(ClassScope::Runner(*runner)),
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(scopes)
    }

    /// Changes an environment class as the patch says, all of it or nothing.
    ///
    /// # Errors
    /// As [`Service::environment_class`]; [`Kind::Invalid`] for a text that breaks a rule.
    pub async fn update_environment_class(
        &self,
        caller: &Caller,
        id: EnvironmentClassId,
        patch: Patch,
    ) -> Result<()> {
        let found = self.store.environment_class(caller.organization, id).await?;
        let (_, runner) = found.ok_or_else(missing)?;
        self.administers(caller, &runner).await.map_err(unseen)?;
        let updated = self.store.update_environment_class(self.actor(caller), id, patch.accept()?).await?;
        if updated { Ok(()) } else { Err(missing()) }
    }
}
