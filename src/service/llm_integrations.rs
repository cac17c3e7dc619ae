//! LLM integrations: what arrives in clear is sealed before it is stored.
use super::{Listing, PageAsk, Service, page_tokens::List, retry::until_settled};
use crate::{
    domain::{
        access::{Caller, Visible},
        id::{LlmIntegrationId, RunnerId},
        llm_header::{Header, NewHeader},
        llm_integration::{Draft, LlmIntegration, LlmPatch, Phase},
        page::{After, Page, PageRequest, PageSize},
        runner::Runner,
        secret::Secret,
    },
    error::{Error, Kind, Result},
    seal::{Field, Place},
    store::{LlmScope, LlmUpdate, NewLlmRow, NewSecret},
};

const LIST: &str = "llm_integrations";

impl Service {
    /// Gives a runner access to language models; the API key is sealed before anything is stored.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner, [`Kind::Invalid`] for the draft,
    /// [`Kind::Precondition`] without a key to seal with.
    pub async fn create_llm_integration(&self, caller: &Caller, draft: Draft) -> Result<LlmIntegrationId> {
        if let Some(id) = caller.repeats()? {
            return Ok(LlmIntegrationId(id));
        }
        let id = draft.runner;
        self.reach_runner(caller, id).await?;
        let new = draft.accept()?;
        let now = self.now();
        let integration = LlmIntegration {
            id: LlmIntegrationId(self.clock.new_id()),
            runner: id,
            models: new.models,
            endpoint: new.endpoint,
            max_tokens: new.max_tokens,
            disabled: false,
            api_key: None,
            headers: Vec::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        // A conflict: the key was replaced between the look-up and the commit.
        until_settled(|| async {
            let runner = self.runner_for(caller, id).await?;
            let api_key = self.seal_llm(&runner, &integration, Field::LlmApiKey, "", &new.api_key)?;
            let row = NewLlmRow { integration: integration.clone(), api_key };
            self.store.create_llm_integration(self.actor(caller), runner.creator, row).await
        })
        .await?;
        Ok(integration.id)
    }

    fn seal_llm(
        &self,
        runner: &Runner,
        integration: &LlmIntegration,
        field: Field,
        name: &str,
        secret: &Secret,
    ) -> Result<NewSecret> {
        let sub = integration.id.0;
        let place =
            Place { runner: integration.runner, sub, field, a: &integration.endpoint, b: name, c: "" };
        let sealed = self.keys.seal_for(runner, &place, secret)?;
        Ok(NewSecret { id: self.clock.new_id(), sealed })
    }

    /// The sealed values of headers, by their names.
    fn seal_headers(
        &self,
        runner: &Runner,
        integration: &LlmIntegration,
        headers: &[NewHeader],
    ) -> Result<Vec<(String, NewSecret)>> {
        let seal = |header: &NewHeader| {
            let value = self.seal_llm(runner, integration, Field::LlmHeader, &header.name, &header.value)?;
            Ok((header.name.clone(), value))
        };
        headers.iter().map(seal).collect()
    }

    /// One LLM integration.
    ///
    /// # Errors
    /// [`Kind::NotFound`], the same for what never existed and what is another organization's;
    /// [`Kind::Forbidden`] for a runner the caller may not use.
    pub async fn llm_integration(&self, caller: &Caller, id: LlmIntegrationId) -> Result<LlmIntegration> {
        let missing = || Error::not_found("LLM integration");
        let found = self.store.llm_integration(caller.organization, id).await?;
        let (integration, runner) = found.ok_or_else(missing)?;
        match self.administers(caller, &runner).await {
            Ok(()) => Ok(integration),
            Err(error) if error.kind() == Kind::NotFound => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// A page of the LLM integrations the caller may see, oldest first; `runners` narrows it, and a runner
    /// that is not the caller's to see adds no rows.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the page.
    pub async fn llm_integrations(
        &self,
        caller: &Caller,
        mut runners: Vec<RunnerId>,
        ask: &PageAsk,
    ) -> Result<Listing<LlmIntegration>> {
        runners.sort_unstable();
        runners.dedup();
        let filter: Vec<_> = runners.iter().map(ToString::to_string).collect();
        let (list, now) = (List { name: LIST, filter: &filter }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = match (runners.is_empty(), caller.visible()) {
            (false, _) => self.llm_pages_of(caller, &runners, request).await?,
            (true, Visible::Only(runner)) => {
                self.store.llm_integrations(LlmScope::Runner(runner), request).await?
            }
            (true, Visible::Organization) => {
                self.store.llm_integrations(LlmScope::Organization(caller.organization), request).await?
            }
            (true, Visible::CreatedBy(user)) => {
                let (own, granted) = tokio::try_join!(
                    self.store.llm_integrations(LlmScope::CreatedBy(user), request),
                    self.store.llm_integrations(LlmScope::GrantedTo(user), request),
                )?;
                Page::merge(vec![own, granted], request.size, |one| one.id.0)
            }
        };
        self.ring().pages.write(caller, list, page, now)
    }

    /// One page over several runners: the first rows of each, merged.
    async fn llm_pages_of(
        &self,
        caller: &Caller,
        runners: &[RunnerId],
        request: PageRequest,
    ) -> Result<Page<LlmIntegration>> {
        let mut parts = Vec::new();
        for runner in runners {
            match self.reach_runner(caller, *runner).await {
                Ok(_) => parts.push(self.store.llm_integrations(LlmScope::Runner(*runner), request).await?),
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Page::merge(parts, request.size, |one| one.id.0))
    }

    /// Changes an LLM integration as the patch says, all of it or nothing.
    ///
    /// # Errors
    /// As [`Service::llm_integration`]; [`Kind::Invalid`] and [`Kind::Precondition`] as [`LlmPatch::plan`],
    /// and [`Kind::Precondition`] without a key to seal with; [`Kind::Conflict`] if others keep changing it.
    pub async fn update_llm_integration(
        &self,
        caller: &Caller,
        id: LlmIntegrationId,
        patch: &LlmPatch,
    ) -> Result<()> {
        until_settled(|| async {
            let current = self.llm_integration(caller, id).await?;
            let Some(update) = self.decide_llm(caller, &current, patch).await? else { return Ok(()) };
            self.store.update_llm_integration(self.actor(caller), update).await
        })
        .await
    }

    /// What the patch makes of the integration; `None` if nothing changes.
    async fn decide_llm(
        &self,
        caller: &Caller,
        current: &LlmIntegration,
        patch: &LlmPatch,
    ) -> Result<Option<LlmUpdate>> {
        let (mut next, changed) = patch.plan(current)?;
        if changed.is_empty() {
            return Ok(None);
        }
        next.version = current.version + 1;
        next.updated_at = self.now().max(current.updated_at);
        let (mut api_key, mut headers) = (None, None);
        if patch.api_key.is_some() || !patch.headers.is_empty() {
            let runner = self.runner_for(caller, current.runner).await?;
            if let Some(key) = &patch.api_key {
                api_key = Some(self.seal_llm(&runner, &next, Field::LlmApiKey, "", key)?);
            }
            if !patch.headers.is_empty() {
                headers = Some(self.seal_headers(&runner, &next, &patch.headers)?);
            }
        }
        if headers.is_some() {
            let header = |new: &NewHeader| Header { name: new.name.clone(), kind: new.kind, value: None };
            next.headers = patch.headers.iter().map(header).collect();
        }
        let expected_version = current.version;
        Ok(Some(LlmUpdate { integration: next, expected_version, api_key, headers, changed }))
    }

    /// Deletes an LLM integration with its ciphertexts.
    ///
    /// # Errors
    /// As [`Service::llm_integration`]; [`Kind::Precondition`] if it is available and the last one of its
    /// runner for one of its models, unless `force`.
    pub async fn delete_llm_integration(
        &self,
        caller: &Caller,
        id: LlmIntegrationId,
        force: bool,
    ) -> Result<()> {
        let integration = self.llm_integration(caller, id).await?;
        if !force && integration.phase() == Phase::Available && self.is_last(&integration).await? {
            let message = "a model would lose its last LLM integration: disable this one first, or force it";
            return Err(Error::new(Kind::Precondition, message));
        }
        let deleted = self.store.delete_llm_integration(self.actor(caller), id).await?;
        if deleted { Ok(()) } else { Err(Error::not_found("LLM integration")) }
    }

    /// Whether no other available integration of the runner serves all of its models.
    async fn is_last(&self, integration: &LlmIntegration) -> Result<bool> {
        let mut left = integration.models.clone();
        let mut request = PageRequest { size: PageSize::parse(100)?, after: After::START };
        loop {
            let page = self.store.llm_integrations(LlmScope::Runner(integration.runner), request).await?;
            for other in &page.rows {
                if other.id != integration.id && other.phase() == Phase::Available {
                    left.retain(|model| !other.models.contains(model));
                }
            }
            match page.next {
                Some(after) if !left.is_empty() => request.after = after,
                _ => return Ok(!left.is_empty()),
            }
        }
    }
}
