//! Gitea and Forgejo.
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use serde::Deserialize;

use super::{MOST, MOST_FOUND, MOST_PAGES, Provider, link, some, visible};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed, Organization, Profile},
        scm_query::{PullFilter, PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
    },
    scm::{
        Result,
        api::{Api, Paging, header},
        http::accept_json,
    },
};

/// What servers allow unless they are set otherwise.
const PAGING: Paging = Paging { size_name: "limit", size: 50 };

pub(super) struct Gitea {
    api: Api,
    site: String,
}

#[derive(Deserialize)]
struct WireUser {
    id: u64,
    login: String,
    email: Option<String>,
    avatar_url: Option<String>,
    html_url: Option<String>,
}

#[derive(Deserialize)]
struct WireId {
    id: u64,
}

#[derive(Deserialize)]
struct WireKey {
    id: u64,
    key: String,
    title: Option<String>,
}

#[derive(Deserialize)]
struct WireFound {
    data: Vec<WireRepository>,
}

#[derive(Deserialize)]
struct WireRepository {
    id: u64,
    name: String,
    full_name: String,
    html_url: String,
    description: Option<String>,
    #[serde(default)]
    fork: bool,
}

#[derive(Deserialize)]
struct WireOrganization {
    id: u64,
    username: String,
    avatar_url: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct WirePull {
    id: u64,
    number: u64,
    title: String,
    html_url: String,
    head: Option<WireSide>,
}

#[derive(Deserialize)]
struct WireSide {
    repo: Option<WireSource>,
}

#[derive(Deserialize)]
struct WireSource {
    full_name: String,
    html_url: String,
}

#[derive(Deserialize)]
struct WireBranch {
    name: String,
}

fn who(token: &Secret) -> Result<(HeaderName, HeaderValue)> {
    header(AUTHORIZATION, "token ", token.expose())
}

impl Gitea {
    pub(super) fn new(api: Api, site: String) -> Self {
        Self { api: api.with_headers(vec![accept_json()]), site }
    }

    /// The number of a user or an organization.
    async fn number(&self, token: &Secret, name: &str) -> Result<Option<u64>> {
        for kind in ["users", "orgs"] {
            if let Some(WireId { id }) = self.api.find(Some(who(token)?), &[kind, name]).await? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Provider for Gitea {
    async fn profile(&self, token: &Secret) -> Result<Profile> {
        let (user, _): (WireUser, _) = self.api.get(Some(who(token)?), &["user"], &[]).await?;
        let page = || format!("{}/{}", self.site, user.login);
        Ok(Profile {
            uid: user.id.to_string(),
            email: some(user.email),
            avatar_url: link(user.avatar_url),
            // Older servers do not say it.
            profile_url: link(user.html_url).unwrap_or_else(page),
            username: user.login,
        })
    }

    async fn ssh_keys(&self, token: &Secret, _login: &str) -> Result<Listed<ForgeKey>> {
        let keys = self.api.all::<WireKey>(who(token)?, &["user", "keys"], &[], PAGING, MOST).await?;
        let key = |key: WireKey| ForgeKey {
            title: some(key.title).unwrap_or_else(|| format!("key-{}", key.id)),
            content: key.key,
        };
        Ok(Listed { items: keys.items.into_iter().map(key).collect(), truncated: keys.truncated })
    }

    async fn search_repositories(
        &self,
        token: &Secret,
        query: &RepositoryQuery,
    ) -> Result<Vec<FoundRepository>> {
        let mut parameters = vec![("q", query.words.join(" "))];
        if !query.forks {
            parameters.push(("mode", "source".to_owned()));
        }
        if let Some(owner) = &query.owner {
            let Some(number) = self.number(token, owner).await? else { return Ok(Vec::new()) };
            parameters.extend([("uid", number.to_string()), ("exclusive", "true".to_owned())]);
        }
        let mut found: Vec<FoundRepository> = Vec::new();
        for page in ["1", "2"] {
            let own: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let asked = [own, vec![("page", page), ("limit", "50")]].concat();
            let (more, answer): (WireFound, _) =
                self.api.get(Some(who(token)?), &["repos", "search"], &asked).await?;
            let fits = more.data.into_iter().filter(|one| query.forks || !one.fork);
            found.extend(fits.map(|one| FoundRepository {
                id: one.id,
                name: one.name,
                full_name: one.full_name,
                url: one.html_url,
                description: some(one.description),
            }));
            if !answer.says_more() {
                break;
            }
        }
        found.truncate(MOST_FOUND);
        Ok(found)
    }

    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>> {
        let found = self.api.all::<WireOrganization>(who(token)?, &["user", "orgs"], &[], PAGING, MOST).await;
        let found = visible(found)?;
        let organization = |one: WireOrganization| Organization {
            id: one.id,
            url: format!("{}/api/v1/orgs/{}", self.site, one.username),
            login: one.username,
            avatar_url: link(one.avatar_url).unwrap_or_default(),
            description: some(one.description),
        };
        Ok(Listed { items: found.items.into_iter().map(organization).collect(), truncated: found.truncated })
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Vec<FoundPull>> {
        let state = match query.state {
            PullFilter::All => "all",
            PullFilter::Open => "open",
            PullFilter::Closed => "closed",
        };
        let path = ["repos", &query.repository.owner, &query.repository.name, "pulls"];
        let most = PAGING.size * MOST_PAGES;
        let found = self.api.all::<WirePull>(who(token)?, &path, &[("state", state)], PAGING, most).await?;
        let fits = found.items.into_iter().filter(|pull| query.fits(&pull.title));
        let pull = |one: WirePull| {
            let source = one.head.and_then(|head| head.repo);
            let (source_name, source_url) =
                source.map(|repo| (repo.full_name, repo.html_url)).unwrap_or_default();
            let (id, number, title, html_url) = (one.id, one.number, one.title, one.html_url);
            FoundPull { id, number, title, html_url, source_name, source_url }
        };
        Ok(fits.map(pull).collect())
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        let path = ["repos", &repository.owner, &repository.name, "branches"];
        let found = self.api.all::<WireBranch>(who(token)?, &path, &[], PAGING, MOST).await?;
        let names = found.items.into_iter().map(|branch| branch.name).collect();
        Ok(Listed { items: names, truncated: found.truncated })
    }
}
