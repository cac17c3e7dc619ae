//! github.com and GitHub Enterprise Server, REST API version 2022-11-28.
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::ACCEPT};
use serde::Deserialize;

use super::{
    Credential, Forge, Issue, Organization, Page, PullRequest, Repository, Resolved, Result, RevisionKind,
    Search, Slice, Slug, User,
    api::{self, Api},
    github_like::{self, WireName, WireUser},
    kinds, page_of,
};
use crate::scm::http::Http;

pub(super) struct GitHub {
    api: Api,
}

#[derive(Deserialize)]
struct WireRepository {
    full_name: String,
    default_branch: Option<String>,
    parent: Option<WireName>,
}

#[derive(Deserialize)]
struct WireCommit {
    sha: String,
}

#[derive(Deserialize)]
struct WireBranch {
    commit: WireCommit,
}

#[derive(Deserialize)]
struct WireReference {
    object: WireCommit,
}

#[derive(Deserialize)]
struct WireFound {
    total_count: u64,
    items: Vec<WireName>,
}

type Who = (HeaderName, HeaderValue);

impl GitHub {
    pub(super) fn new(http: Arc<Http>, host: &str) -> Result<Self> {
        let headers = vec![
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ];
        // The one forge whose API has a host of its own.
        let api = if host.eq_ignore_ascii_case("github.com") {
            Api::new(http, "api.github.com", &[], headers)?
        } else {
            Api::new(http, host, &["api", "v3"], headers)?
        };
        Ok(Self { api })
    }

    fn who(credential: Credential<'_>) -> Result<Option<Who>> {
        api::bearer(credential.expose()).map(Some)
    }
}

#[async_trait]
impl Forge for GitHub {
    async fn probe(&self) -> Result<()> {
        self.api.probe(&["meta"]).await
    }

    async fn user(&self, credential: Credential<'_>) -> Result<User> {
        let (user, answer): (WireUser, _) = self.api.get(Self::who(credential)?, &["user"], &[]).await?;
        let scopes = answer.header("x-oauth-scopes").unwrap_or_default();
        let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned);
        Ok(User { login: user.login, scopes: scopes.collect() })
    }

    async fn repository(&self, credential: Credential<'_>, slug: Slug<'_>) -> Result<Repository> {
        let path = ["repos", slug.owner, slug.name];
        let (found, _): (WireRepository, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        let WireRepository { full_name, default_branch, parent } = found;
        Ok(Repository { full_name, default_branch, parent: parent.map(|parent| parent.full_name) })
    }

    async fn resolve(
        &self,
        credential: Credential<'_>,
        slug: Slug<'_>,
        kind: RevisionKind,
        name: &str,
    ) -> Result<Option<Resolved>> {
        for &kind in kinds(kind) {
            let who = Self::who(credential)?;
            let sha = if kind == RevisionKind::Tag {
                let mut path = vec!["repos", slug.owner, slug.name, "git", "ref", "tags"];
                path.extend(name.split('/'));
                self.api.find(who, &path).await?.map(|found: WireReference| found.object.sha)
            } else {
                let path = ["repos", slug.owner, slug.name, "branches", name];
                self.api.find(who, &path).await?.map(|found: WireBranch| found.commit.sha)
            };
            if let Some(sha) = sha {
                return Ok(Some(Resolved { kind, name: name.to_owned(), sha }));
            }
        }
        Ok(None)
    }

    async fn commit(&self, credential: Credential<'_>, slug: Slug<'_>, sha: &str) -> Result<String> {
        let path = ["repos", slug.owner, slug.name, "commits", sha];
        let (found, _): (WireCommit, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        Ok(found.sha)
    }

    async fn pull_request(
        &self,
        credential: Credential<'_>,
        slug: Slug<'_>,
        number: u64,
    ) -> Result<PullRequest> {
        github_like::pull_request(&self.api, Self::who(credential)?, slug, number).await
    }

    async fn issue(&self, credential: Credential<'_>, slug: Slug<'_>, number: u64) -> Result<Issue> {
        github_like::issue(&self.api, Self::who(credential)?, slug, number).await
    }

    async fn search(
        &self,
        credential: Credential<'_>,
        search: Search<'_>,
        slice: Slice,
    ) -> Result<Page<String>> {
        let who = Self::who(credential)?;
        let (page, size) = (slice.page.to_string(), slice.size.to_string());
        let paging = [("page", page.as_str()), ("per_page", size.as_str())];
        if search.text.is_empty() {
            let query = [&paging[..], &[("sort", "pushed")]].concat();
            let (items, answer): (Vec<WireName>, _) = self.api.get(who, &["user", "repos"], &query).await?;
            return Ok(page_of(github_like::names(items), &answer, None));
        }
        // In a phrase, what looks like a qualifier is text.
        let text = if search.native {
            search.text.to_owned()
        } else {
            format!("\"{}\" in:name fork:true", search.text.replace(['"', '\\'], " "))
        };
        let query = [&paging[..], &[("q", text.as_str())]].concat();
        let path = ["search", "repositories"];
        let (found, answer): (WireFound, _) = self.api.get(who, &path, &query).await?;
        Ok(page_of(github_like::names(found.items), &answer, Some(found.total_count)))
    }

    async fn organizations(
        &self,
        credential: Credential<'_>,
        _query: &str,
        slice: Slice,
    ) -> Result<Page<Organization>> {
        let (page, size) = (slice.page.to_string(), slice.size.to_string());
        let query = [("page", page.as_str()), ("per_page", size.as_str())];
        let found = self.api.get::<Vec<WireUser>>(Self::who(credential)?, &["user", "orgs"], &query).await;
        // Forbidden: neither `read:org` nor `user` among its scopes.
        github_like::allowed(found.map(|(found, answer)| {
            let items = found.into_iter().map(|found| Organization { path: found.login }).collect();
            page_of(items, &answer, None)
        }))
    }
}
