//! GitLab, whose groups have groups: a repository is named by one encoded path.
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    MOST, PULLS, Provider, SEARCHED,
    github_like::{WireBranch, WireKey},
    link, page, some, visible,
};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed, Organization, Profile},
        scm_query::{PullFilter, PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
    },
    scm::{
        ForgeError, Result,
        api::{Api, header},
        http::accept_json,
        lists::{List, Paging},
    },
};

const PAGING: Paging = Paging { size_name: "per_page", size: 100 };
/// How many forks are asked for their names.
const MOST_FORKS: usize = 100;
/// How many of them at once, as each is a question of its own.
const AT_ONCE: usize = 8;

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

/// Where merge requests come from.
struct Sources {
    /// Name and page of a project, by its number; empty if the token may not see it.
    names: BTreeMap<u64, (String, String)>,
    truncated: bool,
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

    /// Names and pages of the projects that merge requests come from, and whether some were left out.
    async fn sources(
        &self,
        token: &Secret,
        target: WireProject,
        found: &[WireMergeRequest],
    ) -> Result<Sources> {
        let mut known = BTreeSet::from([target.id]);
        let forks = found.iter().filter_map(|one| one.source_project_id).filter(|id| known.insert(*id));
        let forks: Vec<_> = forks.collect();
        let truncated = forks.len() > MOST_FORKS;
        let of = |project: WireProject| (project.path_with_namespace, page(project.web_url));
        let name = |id: u64| async move {
            match self.project(token, &id.to_string()).await {
                Ok(project) => Ok((id, of(project))),
                // A private fork.
                Err(ForgeError::NotFound | ForgeError::Forbidden) => Ok((id, <(String, String)>::default())),
                Err(error) => Err(error),
            }
        };
        let names = stream::iter(forks.into_iter().take(MOST_FORKS)).map(name).buffer_unordered(AT_ONCE);
        let mut names: BTreeMap<_, _> = names.try_collect().await?;
        names.insert(target.id, of(target));
        Ok(Sources { names, truncated })
    }
}

#[async_trait]
impl Provider for GitLab {
    async fn profile(&self, token: &Secret) -> Result<Profile> {
        let (user, _): (WireUser, _) = self.api.get(Some(who(token)?), &["user"], &[]).await?;
        let its_page = || format!("{}/{}", self.site, user.username);
        Ok(Profile {
            uid: user.id.to_string(),
            email: some(user.email).or(some(user.public_email)).or(some(user.commit_email)),
            avatar_url: link(user.avatar_url),
            profile_url: link(user.web_url).unwrap_or_else(its_page),
            username: user.username,
        })
    }

    async fn ssh_keys(&self, token: &Secret, _login: &str) -> Result<Listed<ForgeKey>> {
        let list = List { who: who(token)?, path: &["user", "keys"], query: &[], paging: PAGING };
        Ok(self.api.all::<WireKey>(list, MOST).await?.map(ForgeKey::from))
    }

    async fn search_repositories(
        &self,
        token: &Secret,
        query: &RepositoryQuery,
    ) -> Result<Listed<FoundRepository>> {
        let text = query.words.join(" ");
        let words = ("search", text.as_str());
        let fits = |one: &WireProject| query.forks || one.forked_from_project.is_none();
        let ask = async |path: &[&str], more: &[(&str, &str)]| {
            let query = [&[words][..], more].concat();
            let list = List { who: who(token)?, path, query: &query, paging: PAGING };
            self.api.matching::<Vec<WireProject>>(list, SEARCHED, fits).await
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
        let repository = |one: WireProject| FoundRepository {
            id: one.id,
            name: one.path,
            full_name: one.path_with_namespace,
            url: page(one.web_url),
            description: some(one.description),
        };
        Ok(found.map(repository))
    }

    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>> {
        let least = [("min_access_level", "30")];
        let list = List { who: who(token)?, path: &["groups"], query: &least, paging: PAGING };
        let found = visible(self.api.all::<WireGroup>(list, MOST).await)?;
        let organization = |one: WireGroup| Organization {
            id: one.id,
            login: one.full_path,
            avatar_url: link(one.avatar_url).unwrap_or_default(),
            url: format!("{}/api/v4/groups/{}", self.site, one.id),
            description: some(one.description),
        };
        Ok(found.map(organization))
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Listed<FoundPull>> {
        let state = if query.state == PullFilter::Open { "opened" } else { "all" };
        let target = self.project(token, &query.repository.full()).await?;
        let path = ["projects", &target.id.to_string(), "merge_requests"];
        let list = List { who: who(token)?, path: &path, query: &[("state", state)], paging: PAGING };
        let closed = |one: &WireMergeRequest| matches!(one.state.as_str(), "closed" | "merged");
        let fits = |one: &WireMergeRequest| {
            (query.state != PullFilter::Closed || closed(one)) && query.fits(&one.title)
        };
        let found = self.api.matching::<Vec<WireMergeRequest>>(list, PULLS, fits).await?;
        let Sources { names, truncated } = self.sources(token, target, &found.items).await?;
        let pull = |one: WireMergeRequest| {
            let source = one.source_project_id.and_then(|id| names.get(&id));
            let (source_name, source_url) = source.cloned().unwrap_or_default();
            let (id, number, title, html_url) = (one.id, one.iid, one.title, page(one.web_url));
            FoundPull { id, number, title, html_url, source_name, source_url }
        };
        Ok(Listed { truncated: found.truncated || truncated, ..found.map(pull) })
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        let path = ["projects", &repository.full(), "repository", "branches"];
        let list = List { who: who(token)?, path: &path, query: &[], paging: PAGING };
        let found = self.api.all::<WireBranch>(list, MOST).await?;
        Ok(found.map(|branch| branch.name))
    }
}
