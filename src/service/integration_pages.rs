//! Lists of SCM integrations.
use super::{Listing, PageAsk, Service, authentication::verify, page_tokens::List};
use crate::{
    domain::{
        access::{Caller, Visible},
        id::RunnerId,
        integration::Integration,
        page::{After, Page, PageRequest, PageSize},
        runner_policy::RunnerRole,
        token::Credential,
    },
    error::{Kind, Result},
    store::{IntegrationScope, RunnerPage, RunnerPageQuery},
};

const LIST: &str = "scm_integrations";

impl Service {
    /// A page of the integrations the caller may see, oldest first; `runners` narrows it, and a runner that
    /// is not the caller's to see adds no rows. Authenticates the caller too: for the first page of one
    /// runner, what is asked most, that takes no query of its own.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] as [`Service::authenticate`], [`Kind::Invalid`] for the page size or a page
    /// token that is not this list's.
    pub async fn integrations(
        &self,
        credential: &Credential,
        mut runners: Vec<RunnerId>,
        ask: &PageAsk,
    ) -> Result<Listing<Integration>> {
        runners.sort_unstable();
        runners.dedup();
        if let ([runner], true) = (&runners[..], ask.token.is_empty()) {
            return self.first_page(credential, *runner, ask).await;
        }
        let caller = self.authenticate(credential).await?;
        self.listed(&caller, &runners, ask).await
    }

    /// The token is checked with the same query that reads the page.
    async fn first_page(
        &self,
        credential: &Credential,
        runner: RunnerId,
        ask: &PageAsk,
    ) -> Result<Listing<Integration>> {
        let size = PageSize::parse(ask.size);
        // The token is judged first: a caller without one learns nothing about its request.
        let page =
            PageRequest { size: size.as_ref().copied().unwrap_or(PageSize::SMALLEST), after: After::START };
        let query = RunnerPageQuery { token: credential.id.clone(), runner, page };
        let found = self.store.runner_page(query).await?;
        let now = self.now();
        let Ok(caller) = verify(found.token.as_ref(), credential, now) else {
            let caller = self.authenticate_preset(credential).await?;
            return self.listed(&caller, &[runner], ask).await;
        };
        self.touch(found.token.as_ref());
        size?;
        let page = self.shown(&caller, found).await?;
        let filter = [runner.to_string()];
        self.ring().pages.write(&caller, List { name: LIST, filter: &filter }, page, now)
    }

    async fn listed(
        &self,
        caller: &Caller,
        runners: &[RunnerId],
        ask: &PageAsk,
    ) -> Result<Listing<Integration>> {
        let filter: Vec<_> = runners.iter().map(ToString::to_string).collect();
        let list = List { name: LIST, filter: &filter };
        let now = self.now();
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = match (runners.is_empty(), caller.visible()) {
            (false, _) => self.pages_of(caller, runners, request).await?,
            (true, Visible::Only(runner)) => self.pages_of(caller, &[runner], request).await?,
            (true, Visible::Organization) => {
                self.store.integrations(IntegrationScope::Organization(caller.organization), request).await?
            }
            (true, Visible::CreatedBy(member)) => {
                let (own, granted) = tokio::try_join!(
                    self.store.integrations(IntegrationScope::CreatedBy(member), request),
                    self.store.granted_integrations(member, request),
                )?;
                let granted = granted.map(|(integration, role)| integration.seen_with(role));
                Page::merge(vec![own, granted], request.size, |row| row.id.0)
            }
        };
        self.ring().pages.write(caller, list, page, now)
    }

    /// One page over several runners: the first rows of each, merged. Every runner's rows are read along its
    /// own index, so the cost does not grow with what they have.
    async fn pages_of(
        &self,
        caller: &Caller,
        runners: &[RunnerId],
        page: PageRequest,
    ) -> Result<Page<Integration>> {
        let ask =
            |runner| self.store.runner_page(RunnerPageQuery { token: caller.token.clone(), runner, page });
        let found = futures_util::future::try_join_all(runners.iter().copied().map(ask)).await?;
        let shown = found.into_iter().map(|part| self.shown(caller, part));
        let pages = futures_util::future::try_join_all(shown).await?;
        Ok(Page::merge(pages, page.size, |row| row.id.0))
    }

    /// What the caller may see of a runner's page. The page is older than the answer about its policies, so a
    /// role that is gone shows nothing any more.
    async fn shown(&self, caller: &Caller, found: RunnerPage) -> Result<Page<Integration>> {
        let nothing = Page { rows: Vec::new(), next: None };
        let Some(runner) = found.runner else { return Ok(nothing) };
        match self.role_on(caller, &runner).await {
            Ok(RunnerRole::Admin) => Ok(found.page),
            Ok(role) => Ok(found.page.map(|integration| integration.seen_with(role))),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => Ok(nothing),
            Err(error) => Err(error),
        }
    }
}
