//! Which repositories and organizations a caller sees.
use futures_util::future::join_all;

use super::{Desk, Failure, Result};
use crate::{
    agent::forge::{ForgeError, Page, Search, Slice, Slug},
    pb::{
        gitpod::v1::{
            CheckRepositoryAccessResponse, ListScmOrganizationsResponse, PaginationRequest,
            PaginationResponse, SearchMode, SearchRepositoriesResponse,
            list_scm_organizations_response::ScmOrganization, search_repositories_response::Repository,
        },
        sealink::v1::{
            CheckRepositoryAccessCall, CheckRepositoryAccessResult, ConfiguredIntegration,
            ListScmOrganizationsCall, ListScmOrganizationsResult, LiveCaller, SearchRepositoriesCall,
            SearchRepositoriesResult,
        },
    },
};

const DEFAULT_SIZE: u32 = 25;
const MAX_SIZE: u32 = 100;

impl Desk {
    pub(super) async fn check_access(
        &self,
        call: CheckRepositoryAccessCall,
    ) -> Result<CheckRepositoryAccessResult> {
        let url = call.request.map(|request| request.repository_url).unwrap_or_default();
        let (integration, _, context) = self.locate(&url)?;
        let (_, forge) = self.forge(&integration, "CheckRepositoryAccess")?;
        let opened = self.credential(call.caller.as_ref(), &integration)?;
        let slug = Slug { owner: &context.owner, name: &context.repo };
        let error = match forge.repository(opened.credential()?, slug).await {
            Ok(_) => None,
            Err(error @ (ForgeError::NotFound | ForgeError::Forbidden)) => Some(error.to_string()),
            Err(error) => return Err(Failure::from(error).at(&integration)),
        };
        let has_access = error.is_none();
        let response = CheckRepositoryAccessResponse { has_access, error_message: error.unwrap_or_default() };
        Ok(CheckRepositoryAccessResult { response: Some(response) })
    }

    /// Asks all hosts at once. Each gets its share of the page, so that a page never is longer than asked for
    /// and the hosts' own order stays.
    pub(super) async fn search(&self, call: SearchRepositoriesCall) -> Result<SearchRepositoriesResult> {
        let request = call.request.unwrap_or_default();
        let slice = slice(request.pagination.as_ref())?;
        let search = Search {
            text: request.search_string.trim(),
            native: request.search_mode() == SearchMode::Native,
        };
        let caller = call.caller.unwrap_or_default();
        let integrations = self.searched(&caller, &request.scm_host)?;
        let hosts = u32::try_from(integrations.len()).unwrap_or(u32::MAX).max(1);
        let share = Slice { page: slice.page, size: (slice.size / hosts).max(1) };
        let asked = integrations.iter().map(|one| self.search_one(&caller, one, search, share));
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for (integration, outcome) in integrations.iter().zip(join_all(asked).await) {
            match outcome {
                Ok(page) => found.push((self.origin(integration), page)),
                Err(failure) => failures.push(failure.at(integration)),
            }
        }
        // Some hosts' answers are better than none.
        if found.is_empty() {
            return Err(failures.into_iter().next().unwrap_or(Failure::NO_INTEGRATION));
        }
        let next_token = next_token(found.iter().map(|(_, page)| page), share);
        let hits = found.into_iter().flat_map(|(origin, page)| {
            page.items.into_iter().map(move |name| Repository { url: format!("{origin}/{name}"), name })
        });
        let response = SearchRepositoriesResponse {
            repositories: hits.take(usize::try_from(slice.size).unwrap_or(usize::MAX)).collect(),
            pagination: Some(PaginationResponse { next_token }),
            ..Default::default()
        };
        Ok(SearchRepositoriesResult { response: Some(response) })
    }

    /// Where to search: at the named host, else wherever the caller has a credential.
    fn searched(&self, caller: &LiveCaller, host: &str) -> Result<Vec<ConfiguredIntegration>> {
        if !host.is_empty() {
            return self.serving(host).map(|one| vec![one]);
        }
        let configuration = self.configuration();
        let known: Vec<_> = configuration
            .integrations()
            .filter(|one| self.usable(caller, one).is_some() && self.forge(one, "SearchRepositories").is_ok())
            .cloned()
            .collect();
        match configuration.integrations().next() {
            Some(first) if known.is_empty() => Err(Failure::unauthenticated(first)),
            None => Err(Failure::NO_INTEGRATION),
            Some(_) => Ok(known),
        }
    }

    async fn search_one(
        &self,
        caller: &LiveCaller,
        integration: &ConfiguredIntegration,
        search: Search<'_>,
        slice: Slice,
    ) -> Result<Page<String>> {
        let (_, forge) = self.forge(integration, "SearchRepositories")?;
        let opened = self.credential(Some(caller), integration)?;
        Ok(forge.search(opened.credential()?, search, slice).await?)
    }

    pub(super) async fn organizations(
        &self,
        call: ListScmOrganizationsCall,
    ) -> Result<ListScmOrganizationsResult> {
        let request = call.request.unwrap_or_default();
        let slice = slice(request.pagination.as_ref())?;
        let integration = self.serving(&request.scm_host)?;
        let (_, forge) = self.forge(&integration, "ListSCMOrganizations")?;
        let opened = self.credential(call.caller.as_ref(), &integration)?;
        let page = forge.organizations(opened.credential()?, request.query.trim(), slice).await;
        let page = page.map_err(|error| Failure::from(error).at(&integration))?;
        let origin = self.origin(&integration);
        let organizations = page.items.into_iter().map(|one| ScmOrganization {
            url: format!("{origin}/{}", one.path),
            name: one.path,
            ..Default::default()
        });
        let next_token = if page.more { (slice.page + 1).to_string() } else { String::new() };
        let response = ListScmOrganizationsResponse {
            organizations: organizations.collect(),
            pagination: Some(PaginationResponse { next_token }),
        };
        Ok(ListScmOrganizationsResult { response: Some(response) })
    }
}

/// The page that is asked for; its token is the number, or `PAGE/PAGES/ITEMS`.
fn slice(pagination: Option<&PaginationRequest>) -> Result<Slice> {
    let size = pagination.map_or(0, |pagination| pagination.page_size);
    let size = u32::try_from(size).ok().filter(|size| *size > 0).unwrap_or(DEFAULT_SIZE).min(MAX_SIZE);
    let token = pagination.map_or("", |pagination| &pagination.token);
    let page =
        if token.is_empty() { Some(1) } else { token.split('/').next().and_then(|page| page.parse().ok()) };
    let page = page.filter(|page| (1..=100_000).contains(page));
    page.map(|page| Slice { page, size })
        .ok_or(Failure::invalid("pagination.token: value must be a token of this list"))
}

/// `PAGE/PAGES/ITEMS`, -1 for what is not known; empty on the last page.
fn next_token<'a>(pages: impl Iterator<Item = &'a Page<String>> + Clone, share: Slice) -> String {
    if !pages.clone().any(|page| page.more) {
        return String::new();
    }
    let next = share.page + 1;
    let totals: Option<Vec<u64>> = pages.map(|page| page.total).collect();
    let Some(totals) = totals else { return format!("{next}/-1/-1") };
    let most = totals.iter().map(|total| total.div_ceil(share.size.into())).max().unwrap_or_default();
    format!("{next}/{most}/{}", totals.iter().sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(total: Option<u64>, more: bool) -> Page<String> {
        Page { items: Vec::new(), more, total }
    }

    #[test]
    fn tokens_say_page_pages_and_items() {
        let share = Slice { page: 1, size: 25 };
        let token = |pages: &[Page<String>]| next_token(pages.iter(), share);
        assert_eq!(token(&[page(Some(1_000), true)]), "2/40/1000");
        assert_eq!(token(&[page(Some(1_000), true), page(Some(3), false)]), "2/40/1003");
        assert_eq!(token(&[page(Some(1_000), true), page(None, false)]), "2/-1/-1");
        assert_eq!(token(&[page(Some(3), false)]), "");
    }

    #[test]
    fn pages_are_read_from_either_kind_of_token() {
        let ask =
            |size, token: &str| slice(Some(&PaginationRequest { page_size: size, token: token.to_owned() }));
        let is = |found: Result<Slice>, page, size| {
            found.is_ok_and(|found| (found.page, found.size) == (page, size))
        };
        assert!(is(ask(0, ""), 1, 25) && is(ask(100, "3"), 3, 100) && is(ask(1, "2/40/1000"), 2, 1));
        assert!(is(slice(None), 1, 25));
        for token in ["0", "-1", "x", "/", "99999999999", "1000000"] {
            assert!(ask(25, token).is_err(), "{token}");
        }
    }
}
