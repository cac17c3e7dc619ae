//! GitHub, and GitHub Enterprise Server.
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::ACCEPT};
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
        ForgeError, Result,
        api::{Api, Paging, bearer},
    },
};

const PAGING: Paging = Paging { size_name: "per_page", size: 100 };

pub(super) struct GitHub {
    api: Api,
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
struct WireFound {
    items: Vec<WireRepository>,
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
        Ok(keys.map(ForgeKey::from))
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
        let fits = found.items.into_iter().filter(|one| query.forks || !one.fork);
        Ok(fits.take(MOST_FOUND).map(FoundRepository::from).collect())
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
        Ok(found.map(organization))
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Vec<FoundPull>> {
        github_like::pulls(&self.api, bearer(token.expose())?, PAGING, query).await
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        github_like::branches(&self.api, bearer(token.expose())?, PAGING, repository).await
    }
}
