//! GitLab, whose groups have groups: a repository is named by one encoded path.
use std::collections::BTreeMap;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    MOST, MOST_FOUND, MOST_PAGES, Provider,
    github_like::{WireBranch, WireKey},
    link, some, visible,
};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed, Organization, Profile},
        scm_query::{PullFilter, PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
    },
    scm::{
        ForgeError, Result,
        api::{Api, Paging, header},
        http::accept_json,
    },
};

const PAGING: Paging = Paging { size_name: "per_page", size: 100 };
/// How many forks are asked for their names.
const MOST_FORKS: usize = 20;

pub(super) struct GitLab {
    api: Api,
    site: String,
}

#[derive(Deserialize)]
struct WireUser {
    id: u64,
    username: String,
    email: Option<String>,
    public_email: Option<String>,
    commit_email: Option<String>,
    avatar_url: Option<String>,
    web_url: Option<String>,
}

#[derive(Deserialize)]
struct WireProject {
    id: u64,
    path: String,
    path_with_namespace: String,
    web_url: String,
    description: Option<String>,
    forked_from_project: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct WireGroup {
    id: u64,
    full_path: String,
    avatar_url: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct WireMergeRequest {
    id: u64,
    iid: u64,
    title: String,
    web_url: String,
    state: String,
    source_project_id: Option<u64>,
}

fn who(token: &Secret) -> Result<(HeaderName, HeaderValue)> {
    header(HeaderName::from_static("private-token"), "", token.expose())
}

impl GitLab {
    pub(super) fn new(api: Api, site: String) -> Self {
        Self { api: api.with_headers(vec![accept_json()]), site }
    }

    /// A project by its path or its number.
    async fn project(&self, token: &Secret, name: &str) -> Result<WireProject> {
        Ok(self.api.get(Some(who(token)?), &["projects", name], &[]).await?.0)
    }

    /// Names and pages of the projects that merge requests come from.
    async fn sources(
        &self,
        token: &Secret,
        target: &WireProject,
        found: &[WireMergeRequest],
    ) -> Result<BTreeMap<u64, (String, String)>> {
        let of = |project: &WireProject| (project.path_with_namespace.clone(), project.web_url.clone());
        let mut known = BTreeMap::from([(target.id, of(target))]);
        for id in found.iter().filter_map(|one| one.source_project_id) {
            if known.len() > MOST_FORKS || known.contains_key(&id) {
                continue;
            }
            let name = match self.project(token, &id.to_string()).await {
                Ok(project) => of(&project),
                // A private fork.
                Err(ForgeError::NotFound | ForgeError::Forbidden) => <(String, String)>::default(),
                Err(error) => return Err(error),
            };
            known.insert(id, name);
        }
        Ok(known)
    }
}

#[async_trait]
impl Provider for GitLab {
    async fn profile(&self, token: &Secret) -> Result<Profile> {
        let (user, _): (WireUser, _) = self.api.get(Some(who(token)?), &["user"], &[]).await?;
        let page = || format!("{}/{}", self.site, user.username);
        Ok(Profile {
            uid: user.id.to_string(),
            email: some(user.email).or(some(user.public_email)).or(some(user.commit_email)),
            avatar_url: link(user.avatar_url),
            profile_url: link(user.web_url).unwrap_or_else(page),
            username: user.username,
        })
    }

    async fn ssh_keys(&self, token: &Secret, _login: &str) -> Result<Listed<ForgeKey>> {
        let keys = self.api.all::<WireKey>(who(token)?, &["user", "keys"], &[], PAGING, MOST).await?;
        Ok(keys.map(ForgeKey::from))
    }

    async fn search_repositories(
        &self,
        token: &Secret,
        query: &RepositoryQuery,
    ) -> Result<Vec<FoundRepository>> {
        let text = query.words.join(" ");
        let words = ("search", text.as_str());
        let ask = async |path: &[&str], more: &[(&str, &str)]| {
            let query = [&[words][..], more].concat();
            self.api.all::<WireProject>(who(token)?, path, &query, PAGING, MOST_FOUND).await
        };
        let found = match &query.owner {
            None => ask(&["projects"], &[("membership", "true"), ("search_namespaces", "true")]).await?,
            Some(owner) => {
                match ask(&["groups", owner, "projects"], &[("include_subgroups", "true")]).await {
                    Err(ForgeError::NotFound) => match ask(&["users", owner, "projects"], &[]).await {
                        Err(ForgeError::NotFound) => Listed::empty(),
                        found => found?,
                    },
                    found => found?,
                }
            }
        };
        let fits = found.items.into_iter().filter(|one| query.forks || one.forked_from_project.is_none());
        let repository = |one: WireProject| FoundRepository {
            id: one.id,
            name: one.path,
            full_name: one.path_with_namespace,
            url: one.web_url,
            description: some(one.description),
        };
        Ok(fits.take(MOST_FOUND).map(repository).collect())
    }

    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>> {
        let least = [("min_access_level", "30")];
        let found = visible(self.api.all::<WireGroup>(who(token)?, &["groups"], &least, PAGING, MOST).await)?;
        let organization = |one: WireGroup| Organization {
            id: one.id,
            login: one.full_path,
            avatar_url: link(one.avatar_url).unwrap_or_default(),
            url: format!("{}/api/v4/groups/{}", self.site, one.id),
            description: some(one.description),
        };
        Ok(found.map(organization))
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Vec<FoundPull>> {
        let state = if query.state == PullFilter::Open { "opened" } else { "all" };
        let target = self.project(token, &query.repository.full()).await?;
        let path = ["projects", &target.id.to_string(), "merge_requests"];
        let most = PAGING.size * MOST_PAGES;
        let found =
            self.api.all::<WireMergeRequest>(who(token)?, &path, &[("state", state)], PAGING, most).await?;
        let closed = |one: &WireMergeRequest| matches!(one.state.as_str(), "closed" | "merged");
        let fits = |one: &WireMergeRequest| {
            (query.state != PullFilter::Closed || closed(one)) && query.fits(&one.title)
        };
        let found: Vec<_> = found.items.into_iter().filter(fits).collect();
        let sources = self.sources(token, &target, &found).await?;
        let pull = |one: WireMergeRequest| {
            let source = one.source_project_id.and_then(|id| sources.get(&id));
            let (source_name, source_url) = source.cloned().unwrap_or_default();
            let (id, number, title, html_url) = (one.id, one.iid, one.title, one.web_url);
            FoundPull { id, number, title, html_url, source_name, source_url }
        };
        Ok(found.into_iter().map(pull).collect())
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        let path = ["projects", &repository.full(), "repository", "branches"];
        let found = self.api.all::<WireBranch>(who(token)?, &path, &[], PAGING, MOST).await?;
        Ok(found.map(|branch| branch.name))
    }
}
