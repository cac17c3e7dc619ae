//! Gitea and Forgejo, API version 1.
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use serde::Deserialize;

use super::{
    Credential, Forge, Issue, Organization, Page, PullRequest, Repository, Resolved, Result, RevisionKind,
    Search, Slice, Slug, User,
    api::{self, Api},
    github_like::{self, WireName, WireUser},
    kinds, page_of,
};
use crate::scm::http::{Http, accept_json};

pub(super) struct Gitea {
    api: Api,
}

#[derive(Deserialize)]
struct WireRepository {
    full_name: String,
    #[serde(default)]
    empty: bool,
    default_branch: Option<String>,
    parent: Option<WireName>,
}

#[derive(Deserialize)]
struct WireBranch {
    commit: WireId,
}

#[derive(Deserialize)]
struct WireId {
    id: String,
}

#[derive(Deserialize)]
struct WireSha {
    sha: String,
}

#[derive(Deserialize)]
struct WireTag {
    commit: WireSha,
}

#[derive(Deserialize)]
struct WireFound {
    data: Vec<WireName>,
}

#[derive(Deserialize)]
struct WireOrganization {
    username: String,
}

type Who = (HeaderName, HeaderValue);

impl Gitea {
    pub(super) fn new(http: Arc<Http>, host: &str) -> Result<Self> {
        Ok(Self { api: Api::new(http, host, &["api", "v1"], vec![accept_json()])? })
    }

    fn who(credential: Credential<'_>) -> Result<Option<Who>> {
        let who = match credential {
            Credential::OAuth(secret) => api::bearer(secret.expose())?,
            Credential::Pat(secret) => api::header(AUTHORIZATION, "token ", secret.expose())?,
        };
        Ok(Some(who))
    }
}

#[async_trait]
impl Forge for Gitea {
    async fn probe(&self) -> Result<()> {
        self.api.probe(&["version"]).await
    }

    async fn user(&self, credential: Credential<'_>) -> Result<User> {
        let (user, _): (WireUser, _) = self.api.get(Self::who(credential)?, &["user"], &[]).await?;
        Ok(User { login: user.login, scopes: Vec::new() })
    }

    async fn repository(&self, credential: Credential<'_>, slug: Slug<'_>) -> Result<Repository> {
        let path = ["repos", slug.owner, slug.name];
        let (found, _): (WireRepository, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        Ok(Repository {
            full_name: found.full_name,
            // The name that the first push is expected to have.
            default_branch: found.default_branch.filter(|_| !found.empty),
            parent: found.parent.map(|parent| parent.full_name),
        })
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
                let path = ["repos", slug.owner, slug.name, "tags", name];
                self.api.find(who, &path).await?.map(|found: WireTag| found.commit.sha)
            } else {
                let path = ["repos", slug.owner, slug.name, "branches", name];
                self.api.find(who, &path).await?.map(|found: WireBranch| found.commit.id)
            };
            if let Some(sha) = sha {
                return Ok(Some(Resolved { kind, name: name.to_owned(), sha }));
            }
        }
        Ok(None)
    }

    async fn commit(&self, credential: Credential<'_>, slug: Slug<'_>, sha: &str) -> Result<String> {
        let path = ["repos", slug.owner, slug.name, "git", "commits", sha];
        let (found, _): (WireSha, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
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
        let (page, size) = (slice.page.to_string(), slice.size.to_string());
        let query = [
            ("q", search.text),
            ("page", page.as_str()),
            ("limit", size.as_str()),
            ("sort", "updated"),
            ("order", "desc"),
        ];
        let path = ["repos", "search"];
        let (found, answer): (WireFound, _) = self.api.get(Self::who(credential)?, &path, &query).await?;
        Ok(page_of(github_like::names(found.data), &answer, None))
    }

    async fn organizations(
        &self,
        credential: Credential<'_>,
        _query: &str,
        slice: Slice,
    ) -> Result<Page<Organization>> {
        let (page, size) = (slice.page.to_string(), slice.size.to_string());
        let query = [("page", page.as_str()), ("limit", size.as_str())];
        let found =
            self.api.get::<Vec<WireOrganization>>(Self::who(credential)?, &["user", "orgs"], &query).await;
        github_like::allowed(found.map(|(found, answer)| {
            let items = found.into_iter().map(|found| Organization { path: found.username }).collect();
            page_of(items, &answer, None)
        }))
    }
}
