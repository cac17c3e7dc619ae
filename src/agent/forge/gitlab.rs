//! gitlab.com and self-hosted GitLab, REST API version 4.
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    Credential, Forge, ForgeError, Issue, Organization, Page, PullRequest, PullState, Repository, Resolved,
    Result, RevisionKind, Search, Slice, Slug, User,
    api::{self, Api},
    kinds, page_of,
};
use crate::scm::http::{Http, accept_json};

pub(super) struct GitLab {
    api: Api,
}

#[derive(Deserialize)]
struct WireUser {
    username: String,
}

#[derive(Deserialize)]
struct WireProject {
    path_with_namespace: String,
    default_branch: Option<String>,
    forked_from_project: Option<Box<WireProject>>,
}

#[derive(Deserialize)]
struct WireCommit {
    id: String,
}

#[derive(Deserialize)]
struct WireRevision {
    commit: WireCommit,
}

#[derive(Deserialize)]
struct WireMergeRequest {
    iid: u64,
    title: String,
    state: String,
    #[serde(default)]
    draft: bool,
    author: Option<WireUser>,
    sha: Option<String>,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    target_project_id: Option<u64>,
}

#[derive(Deserialize)]
struct WireIssue {
    iid: u64,
    title: String,
}

#[derive(Deserialize)]
struct WireGroup {
    full_path: String,
}

type Who = (HeaderName, HeaderValue);

impl GitLab {
    pub(super) fn new(http: Arc<Http>, host: &str) -> Result<Self> {
        Ok(Self { api: Api::new(http, host, &["api", "v4"], vec![accept_json()])? })
    }

    fn who(credential: Credential<'_>) -> Result<Option<Who>> {
        let who = match credential {
            Credential::OAuth(secret) => api::bearer(secret.expose())?,
            Credential::Pat(secret) => {
                api::header(HeaderName::from_static("private-token"), "", secret.expose())?
            }
        };
        Ok(Some(who))
    }
}

/// The project's path as one part of a URL, which the slashes in it become `%2F` for.
fn project(slug: Slug<'_>) -> String {
    format!("{}/{}", slug.owner, slug.name)
}

#[async_trait]
impl Forge for GitLab {
    async fn probe(&self) -> Result<()> {
        self.api.probe(&["version"]).await
    }

    async fn user(&self, credential: Credential<'_>) -> Result<User> {
        let (user, _): (WireUser, _) = self.api.get(Self::who(credential)?, &["user"], &[]).await?;
        Ok(User { login: user.username, scopes: Vec::new() })
    }

    async fn repository(&self, credential: Credential<'_>, slug: Slug<'_>) -> Result<Repository> {
        let path = ["projects", &project(slug)];
        let (found, _): (WireProject, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        Ok(Repository {
            full_name: found.path_with_namespace,
            default_branch: found.default_branch,
            parent: found.forked_from_project.map(|parent| parent.path_with_namespace),
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
            let list = if kind == RevisionKind::Tag { "tags" } else { "branches" };
            let path = ["projects", &project(slug), "repository", list, name];
            if let Some(WireRevision { commit }) = self.api.find(Self::who(credential)?, &path).await? {
                return Ok(Some(Resolved { kind, name: name.to_owned(), sha: commit.id }));
            }
        }
        Ok(None)
    }

    async fn commit(&self, credential: Credential<'_>, slug: Slug<'_>, sha: &str) -> Result<String> {
        let path = ["projects", &project(slug), "repository", "commits", sha];
        let (found, _): (WireCommit, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        Ok(found.id)
    }

    async fn pull_request(
        &self,
        credential: Credential<'_>,
        slug: Slug<'_>,
        number: u64,
    ) -> Result<PullRequest> {
        let path = ["projects", &project(slug), "merge_requests", &number.to_string()];
        let (found, _): (WireMergeRequest, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        let head_repository = match found.source_project_id {
            Some(id) if Some(id) == found.target_project_id => Some(project(slug)),
            Some(id) => {
                let path = ["projects", &id.to_string()];
                // A fork that is private to its owner: the request can be seen, where it comes from cannot.
                let source: Option<WireProject> = self.api.find(Self::who(credential)?, &path).await?;
                source.map(|source| source.path_with_namespace)
            }
            None => None,
        };
        Ok(PullRequest {
            number: found.iid,
            title: found.title,
            author: found.author.map(|author| author.username).unwrap_or_default(),
            draft: found.draft,
            state: match found.state.as_str() {
                "merged" => PullState::Merged,
                "closed" => PullState::Closed,
                _ => PullState::Open,
            },
            from_branch: found.source_branch,
            head_sha: found.sha.unwrap_or_default(),
            to_branch: found.target_branch,
            head_repository,
        })
    }

    async fn issue(&self, credential: Credential<'_>, slug: Slug<'_>, number: u64) -> Result<Issue> {
        let path = ["projects", &project(slug), "issues", &number.to_string()];
        let (found, _): (WireIssue, _) = self.api.get(Self::who(credential)?, &path, &[]).await?;
        Ok(Issue { number: found.iid, title: found.title })
    }

    async fn search(
        &self,
        credential: Credential<'_>,
        search: Search<'_>,
        slice: Slice,
    ) -> Result<Page<String>> {
        let (page, size) = (slice.page.to_string(), slice.size.to_string());
        let mut query = vec![
            ("page", page.as_str()),
            ("per_page", size.as_str()),
            ("membership", "true"),
            ("order_by", "last_activity_at"),
        ];
        if !search.text.is_empty() {
            // GitLab has no search syntax of its own: both modes are a part of the name.
            query.extend([("search", search.text), ("search_namespaces", "true")]);
        }
        let who = Self::who(credential)?;
        let (found, answer): (Vec<WireProject>, _) = self.api.get(who, &["projects"], &query).await?;
        let names = found.into_iter().map(|found| found.path_with_namespace).collect();
        Ok(page_of(names, &answer, None))
    }

    async fn organizations(
        &self,
        credential: Credential<'_>,
        query: &str,
        slice: Slice,
    ) -> Result<Page<Organization>> {
        let (page, size) = (slice.page.to_string(), slice.size.to_string());
        // Developers and above: who may create projects and push.
        let mut wanted =
            vec![("page", page.as_str()), ("per_page", size.as_str()), ("min_access_level", "30")];
        if !query.is_empty() {
            wanted.push(("search", query));
        }
        match self.api.get::<Vec<WireGroup>>(Self::who(credential)?, &["groups"], &wanted).await {
            Ok((found, answer)) => {
                let items = found.into_iter().map(|found| Organization { path: found.full_path }).collect();
                Ok(page_of(items, &answer, None))
            }
            Err(ForgeError::Forbidden) => Ok(Page { items: Vec::new(), more: false, total: Some(0) }),
            Err(error) => Err(error),
        }
    }
}
