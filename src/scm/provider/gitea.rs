//! Gitea and Forgejo.
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use serde::Deserialize;

use super::{
    MOST, Provider, SEARCHED,
    github_like::{self, WireKey, WireRepository, WireUser},
    link, some, visible,
};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed, Organization, Profile},
        scm_query::{PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
    },
    scm::{
        Result,
        api::{Api, header},
        http::accept_json,
        lists::{List, Page, Paging},
    },
};

/// What servers allow unless they are set otherwise.
const PAGING: Paging = Paging { size_name: "limit", size: 50 };

pub(super) struct Gitea {
    api: Api,
    site: String,
}

#[derive(Deserialize)]
struct WireId {
    id: u64,
}

#[derive(Deserialize)]
struct WireFound {
    data: Vec<WireRepository>,
}

impl Page for WireFound {
    type Item = WireRepository;

    fn items(self) -> Vec<WireRepository> {
        self.data
    }
}

#[derive(Deserialize)]
struct WireOrganization {
    id: u64,
    username: String,
    avatar_url: Option<String>,
    description: Option<String>,
}

fn who(token: &Secret) -> Result<(HeaderName, HeaderValue)> {
    header(AUTHORIZATION, "token ", token.expose())
}

/// What of the words is searched for by the server, to which a comma means "or" and words stand in a row: the longest
/// there is without a comma, as it leaves the least to be read.
fn keyword(words: &[String]) -> &str {
    let parts = words.iter().flat_map(|word| word.split(','));
    parts.max_by_key(|part| part.chars().count()).unwrap_or_default()
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
        let email = match some(user.email) {
            Some(email) => Some(email),
            None => github_like::email(&self.api, who(token)?).await?,
        };
        let page = || format!("{}/{}", self.site, user.login);
        Ok(Profile {
            uid: user.id.to_string(),
            email,
            avatar_url: link(user.avatar_url),
            // Older servers do not say it.
            profile_url: link(user.html_url).unwrap_or_else(page),
            username: user.login,
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
        // Not `mode=source`, which leaves out mirrors, too.
        let mut parameters =
            vec![("q", keyword(&query.words).to_owned()), ("includeDesc", "true".to_owned())];
        if let Some(owner) = &query.owner {
            let Some(number) = self.number(token, owner).await? else { return Ok(Listed::empty()) };
            parameters.extend([("uid", number.to_string()), ("exclusive", "true".to_owned())]);
        } else if query.words.is_empty() {
            // Otherwise it is everything that anybody may see.
            let (WireId { id }, _) = self.api.get(Some(who(token)?), &["user"], &[]).await?;
            parameters.push(("uid", id.to_string()));
        }
        let asked: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let words: Vec<_> = query.words.iter().map(|word| word.to_lowercase()).collect();
        let fits =
            |one: &WireRepository| (query.forks || !one.fork) && words.iter().all(|word| one.holds(word));
        let list = List { who: who(token)?, path: &["repos", "search"], query: &asked, paging: PAGING };
        let found = self.api.matching::<WireFound>(list, SEARCHED, fits).await?;
        Ok(found.map(FoundRepository::from))
    }

    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>> {
        let list = List { who: who(token)?, path: &["user", "orgs"], query: &[], paging: PAGING };
        let found = visible(self.api.all::<WireOrganization>(list, MOST).await)?;
        let organization = |one: WireOrganization| Organization {
            id: one.id,
            url: format!("{}/api/v1/orgs/{}", self.site, one.username),
            login: one.username,
            avatar_url: link(one.avatar_url).unwrap_or_default(),
            description: some(one.description),
        };
        Ok(found.map(organization))
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Listed<FoundPull>> {
        github_like::pulls(&self.api, who(token)?, PAGING, query).await
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        github_like::branches(&self.api, who(token)?, PAGING, repository).await
    }
}
