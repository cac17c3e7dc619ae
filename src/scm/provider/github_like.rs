//! What Gitea and Forgejo took over from GitHub's API; keys and branches look so at GitLab, too.
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{MOST, PULLS, page, some};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed},
        scm_query::{PullFilter, PullQuery, RepositoryName},
    },
    scm::{
        ForgeError, Result,
        api::Api,
        lists::{List, Paging},
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

/// One of a person's addresses.
#[derive(Deserialize)]
struct WireEmail {
    email: String,
    #[serde(default)]
    primary: bool,
    #[serde(default)]
    verified: bool,
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
    /// Gitea says them.
    topics: Option<Vec<String>>,
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

impl WireRepository {
    /// Whether a word, in lower case, is in the name, the description or a topic, or is `owner/name` in parts.
    pub(super) fn holds(&self, word: &str) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        let description = self.description.as_deref().unwrap_or_default();
        let topics = self.topics.iter().flatten();
        let named = || {
            let (asked, full) = (word.split_once('/'), self.full_name.split_once('/'));
            let both = |((owner, name), (of, called)): ((&str, &str), _)| has(of, owner) && has(called, name);
            asked.zip(full).is_some_and(both)
        };
        has(&self.name, word)
            || has(description, word)
            || topics.into_iter().any(|one| has(one, word))
            || named()
    }
}

impl From<WireRepository> for FoundRepository {
    fn from(found: WireRepository) -> Self {
        let WireRepository { id, name, full_name, html_url, description, .. } = found;
        Self { id, name, full_name, url: page(html_url), description: some(description) }
    }
}

impl From<WirePull> for FoundPull {
    fn from(found: WirePull) -> Self {
        let WirePull { id, number, title, html_url, head } = found;
        let source = head.and_then(|head| head.repo).map(|repo| (repo.full_name, page(repo.html_url)));
        let (source_name, source_url) = source.unwrap_or_default();
        Self { id, number, title, html_url: page(html_url), source_name, source_url }
    }
}

type Who = (HeaderName, HeaderValue);

/// The address that a person uses, if the token may see it.
pub(super) async fn email(api: &Api, who: Who) -> Result<Option<String>> {
    match api.get::<Vec<WireEmail>>(Some(who), &["user", "emails"], &[]).await {
        Ok((emails, _)) => {
            let mut good = emails.into_iter().filter(|one| one.verified);
            Ok(good.find(|one| one.primary).and_then(|one| some(Some(one.email))))
        }
        Err(ForgeError::Forbidden | ForgeError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Pull requests of a repository that match.
pub(super) async fn pulls(
    api: &Api,
    who: Who,
    paging: Paging,
    query: &PullQuery,
) -> Result<Listed<FoundPull>> {
    let state = match query.state {
        PullFilter::All => "all",
        PullFilter::Open => "open",
        PullFilter::Closed => "closed",
    };
    let path = ["repos", &query.repository.owner, &query.repository.name, "pulls"];
    let list = List { who, path: &path, query: &[("state", state)], paging };
    let fits = |pull: &WirePull| query.fits(&pull.title);
    Ok(api.matching::<Vec<WirePull>>(list, PULLS, fits).await?.map(FoundPull::from))
}

/// The names of a repository's branches.
pub(super) async fn branches(
    api: &Api,
    who: Who,
    paging: Paging,
    repository: &RepositoryName,
) -> Result<Listed<String>> {
    let path = ["repos", &repository.owner, &repository.name, "branches"];
    let list = List { who, path: &path, query: &[], paging };
    let found = api.all::<WireBranch>(list, MOST).await?;
    Ok(found.map(|branch| branch.name))
}
