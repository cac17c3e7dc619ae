//! GitHub, and GitHub Enterprise Server.
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::ACCEPT};
use serde::Deserialize;

use super::{MOST, MOST_FOUND, MOST_PAGES, Provider, link, some, visible};
use crate::{
    domain::{
        forge::{ForgeKey, FoundPull, FoundRepository, Listed, Organization, Profile},
        scm_query::{PullFilter, PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
    },
    scm::{
        ForgeError, Result,
        api::{Api, Paging, bearer},
    },
};

const PAGING: Paging = Paging { size_name: "per_page", size: 100 };

pub(super) struct GitHub {
    api: Api,
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
struct WireEmail {
    email: String,
    #[serde(default)]
    primary: bool,
    #[serde(default)]
    verified: bool,
}

#[derive(Deserialize)]
struct WireKey {
    id: u64,
    key: String,
    title: Option<String>,
}

#[derive(Deserialize)]
struct WireFound {
    items: Vec<WireRepository>,
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
    login: String,
    #[serde(default)]
    avatar_url: Option<String>,
    #[serde(default)]
    url: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct WirePull {
    id: u64,
    number: u64,
    title: String,
    html_url: String,
    head: WireSide,
}

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

#[derive(Deserialize)]
struct WireBranch {
    name: String,
}

impl GitHub {
    pub(super) fn new(api: Api) -> Self {
        let headers = [
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ];
        Self { api: api.with_headers(headers.into()) }
    }

    /// The address that the person uses, if the token may see it.
    async fn email(&self, token: &Secret) -> Result<Option<String>> {
        match self.api.get::<Vec<WireEmail>>(Some(bearer(token.expose())?), &["user", "emails"], &[]).await {
            Ok((emails, _)) => {
                let mut good = emails.into_iter().filter(|one| one.verified);
                Ok(good.find(|one| one.primary).map(|one| one.email))
            }
            Err(ForgeError::Forbidden | ForgeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Provider for GitHub {
    async fn profile(&self, token: &Secret) -> Result<Profile> {
        let (user, _): (WireUser, _) = self.api.get(Some(bearer(token.expose())?), &["user"], &[]).await?;
        let email = match some(user.email) {
            Some(email) => Some(email),
            None => self.email(token).await?,
        };
        Ok(Profile {
            uid: user.id.to_string(),
            email,
            avatar_url: link(user.avatar_url),
            profile_url: link(user.html_url).unwrap_or_default(),
            username: user.login,
        })
    }

    async fn ssh_keys(&self, token: &Secret, login: &str) -> Result<Listed<ForgeKey>> {
        let own =
            self.api.all::<WireKey>(bearer(token.expose())?, &["user", "keys"], &[], PAGING, MOST).await;
        let keys = match own {
            // Everybody may read them there, without their titles.
            Err(ForgeError::Forbidden | ForgeError::NotFound) => {
                let path = ["users", login, "keys"];
                self.api.all(bearer(token.expose())?, &path, &[], PAGING, MOST).await?
            }
            own => own?,
        };
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
        let mut asked = query.words.clone();
        if query.forks {
            asked.push("fork:true".to_owned());
        }
        if let Some(owner) = &query.owner {
            asked.push(format!("user:{owner}"));
        }
        let asked = asked.join(" ");
        let parameters = [("q", asked.as_str()), ("per_page", "100")];
        let path = ["search", "repositories"];
        let (found, _): (WireFound, _) =
            self.api.get(Some(bearer(token.expose())?), &path, &parameters).await?;
        let repository = |one: WireRepository| FoundRepository {
            id: one.id,
            name: one.name,
            full_name: one.full_name,
            url: one.html_url,
            description: some(one.description),
        };
        Ok(found
            .items
            .into_iter()
            .filter(|one| query.forks || !one.fork)
            .take(MOST_FOUND)
            .map(repository)
            .collect())
    }

    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>> {
        let found =
            self.api.all::<WireOrganization>(bearer(token.expose())?, &["user", "orgs"], &[], PAGING, MOST);
        let found = visible(found.await)?;
        let organization = |one: WireOrganization| Organization {
            id: one.id,
            login: one.login,
            avatar_url: link(one.avatar_url).unwrap_or_default(),
            url: link(one.url).unwrap_or_default(),
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
        let found = self
            .api
            .all::<WirePull>(bearer(token.expose())?, &path, &[("state", state)], PAGING, most)
            .await?;
        let fits = found.items.into_iter().filter(|pull| query.fits(&pull.title));
        let pull = |one: WirePull| {
            let (source_name, source_url) =
                one.head.repo.map(|repo| (repo.full_name, repo.html_url)).unwrap_or_default();
            let (id, number, title, html_url) = (one.id, one.number, one.title, one.html_url);
            FoundPull { id, number, title, html_url, source_name, source_url }
        };
        Ok(fits.map(pull).collect())
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        let path = ["repos", &repository.owner, &repository.name, "branches"];
        let found = self.api.all::<WireBranch>(bearer(token.expose())?, &path, &[], PAGING, MOST).await?;
        let names = found.items.into_iter().map(|branch| branch.name).collect();
        Ok(Listed { items: names, truncated: found.truncated })
    }
}
