//! Gitea and Forgejo.
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use serde::Deserialize;

use super::{
    MOST, MOST_FOUND, Provider,
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
struct WireId {
    id: u64,
}

#[derive(Deserialize)]
struct WireFound {
    data: Vec<WireRepository>,
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
        Ok(keys.map(ForgeKey::from))
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
            found.extend(fits.map(FoundRepository::from));
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
        Ok(found.map(organization))
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Vec<FoundPull>> {
        github_like::pulls(&self.api, who(token)?, PAGING, query).await
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        github_like::branches(&self.api, who(token)?, PAGING, repository).await
    }
}
