//! What Gitea and Forgejo took over from GitHub's API; keys and branches look so at GitLab, too.
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{MOST, MOST_PAGES, some};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed},
        scm_query::{PullFilter, PullQuery, RepositoryName},
    },
    scm::{
        Result,
        api::{Api, Paging},
    },
};

/// Whom a token belongs to.
#[derive(Deserialize)]
pub(super) struct WireUser {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) email: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) html_url: Option<String>,
}

/// A public SSH key.
#[derive(Deserialize)]
pub(super) struct WireKey {
    id: u64,
    key: String,
    title: Option<String>,
}

/// A branch, of which only the name matters.
#[derive(Deserialize)]
pub(super) struct WireBranch {
    pub(super) name: String,
}

/// A repository that a search found.
#[derive(Deserialize)]
pub(super) struct WireRepository {
    id: u64,
    name: String,
    full_name: String,
    html_url: String,
    description: Option<String>,
    #[serde(default)]
    pub(super) fork: bool,
}

/// A pull request in a list.
#[derive(Deserialize)]
struct WirePull {
    id: u64,
    number: u64,
    title: String,
    html_url: String,
    head: Option<WireSide>,
}

/// Where a pull request comes from.
#[derive(Deserialize)]
struct WireSide {
    /// `null` once a fork is deleted.
    repo: Option<WireSource>,
}

#[derive(Deserialize)]
struct WireSource {
    full_name: String,
    html_url: String,
}

impl From<WireKey> for ForgeKey {
    fn from(key: WireKey) -> Self {
        let WireKey { id, key: content, title } = key;
        Self { title: some(title).unwrap_or_else(|| format!("key-{id}")), content }
    }
}

impl From<WireRepository> for FoundRepository {
    fn from(found: WireRepository) -> Self {
        let WireRepository { id, name, full_name, html_url: url, description, fork: _ } = found;
        Self { id, name, full_name, url, description: some(description) }
    }
}

impl From<WirePull> for FoundPull {
    fn from(found: WirePull) -> Self {
        let WirePull { id, number, title, html_url, head } = found;
        let source = head.and_then(|head| head.repo).map(|repo| (repo.full_name, repo.html_url));
        let (source_name, source_url) = source.unwrap_or_default();
        Self { id, number, title, html_url, source_name, source_url }
    }
}

type Who = (HeaderName, HeaderValue);

/// Pull requests of a repository that match.
pub(super) async fn pulls(api: &Api, who: Who, paging: Paging, query: &PullQuery) -> Result<Vec<FoundPull>> {
    let state = match query.state {
        PullFilter::All => "all",
        PullFilter::Open => "open",
        PullFilter::Closed => "closed",
    };
    let path = ["repos", &query.repository.owner, &query.repository.name, "pulls"];
    let most = paging.size * MOST_PAGES;
    let found = api.all::<WirePull>(who, &path, &[("state", state)], paging, most).await?;
    let fits = found.items.into_iter().filter(|pull| query.fits(&pull.title));
    Ok(fits.map(FoundPull::from).collect())
}

/// The names of a repository's branches.
pub(super) async fn branches(
    api: &Api,
    who: Who,
    paging: Paging,
    repository: &RepositoryName,
) -> Result<Listed<String>> {
    let path = ["repos", &repository.owner, &repository.name, "branches"];
    let found = api.all::<WireBranch>(who, &path, &[], paging, MOST).await?;
    Ok(found.map(|branch| branch.name))
}
