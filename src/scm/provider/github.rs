//! GitHub, and GitHub Enterprise Server.
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header::ACCEPT};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    MOST, MOST_FOUND, Provider, SEARCHED,
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
        api::{Api, bearer},
        lists::{Bounds, List, Page, Paging},
    },
};

const PAGING: Paging = Paging { size_name: "per_page", size: 100 };
/// A search ends with its thousandth result.
const FOUND: Bounds = Bounds { pages: 10, read: MOST, kept: MOST_FOUND };

pub(super) struct GitHub {
    api: Api,
}

#[derive(Deserialize)]
struct WireFound {
    items: Vec<WireRepository>,
}

impl Page for WireFound {
    type Item = WireRepository;

    fn items(self) -> Vec<WireRepository> {
        self.items
    }
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

/// A word as the search takes it for nothing but a word, neither a qualifier nor an operator: in quotes, unless it is
/// plain. What ends or escapes quotes is no part of names; `None` if nothing else is left.
fn keyword(word: &str) -> Option<String> {
    let word = word.replace(['"', '\\'], " ");
    let word = word.trim();
    let plain = |letter: char| letter.is_alphanumeric() || "-_./".contains(letter);
    let operator = ["AND", "OR", "NOT"].iter().any(|one| one.eq_ignore_ascii_case(word));
    let plain = word.chars().all(plain) && !word.starts_with('-') && !operator;
    (!word.is_empty()).then(|| if plain { word.to_owned() } else { format!("\"{word}\"") })
}

impl GitHub {
    pub(super) fn new(api: Api) -> Self {
        let headers = [
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ];
        Self { api: api.with_headers(headers.into()) }
    }

    /// A list of what is below `path`.
    async fn all<T: DeserializeOwned + Send>(&self, token: &Secret, path: &[&str]) -> Result<Listed<T>> {
        let list = List { who: bearer(token.expose())?, path, query: &[], paging: PAGING };
        self.api.all(list, MOST).await
    }

    /// The repositories that the token's owner works with.
    async fn own(&self, token: &Secret, forks: bool) -> Result<Listed<WireRepository>> {
        let query = [("affiliation", "owner,collaborator,organization_member")];
        let path = ["user", "repos"];
        let list = List { who: bearer(token.expose())?, path: &path, query: &query, paging: PAGING };
        self.api.matching::<Vec<_>>(list, SEARCHED, |one: &WireRepository| forks || !one.fork).await
    }

    /// The repositories that a search finds, which is not empty.
    async fn found(&self, token: &Secret, asked: &str, forks: bool) -> Result<Listed<WireRepository>> {
        let query = [("q", asked)];
        let path = ["search", "repositories"];
        let list = List { who: bearer(token.expose())?, path: &path, query: &query, paging: PAGING };
        let fits = |one: &WireRepository| forks || !one.fork;
        match self.api.matching::<WireFound>(list, FOUND, fits).await {
            // So it refuses to search what belongs to nobody, and words that are too long.
            Err(ForgeError::NotFound) => Ok(Listed::empty()),
            found => found,
        }
    }
}

#[async_trait]
impl Provider for GitHub {
    async fn profile(&self, token: &Secret) -> Result<Profile> {
        let (user, _): (WireUser, _) = self.api.get(Some(bearer(token.expose())?), &["user"], &[]).await?;
        let email = match some(user.email) {
            Some(email) => Some(email),
            None => github_like::email(&self.api, bearer(token.expose())?).await?,
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
        let keys = match self.all::<WireKey>(token, &["user", "keys"]).await {
            // Everybody may read them there, without their titles.
            Err(ForgeError::Forbidden | ForgeError::NotFound) => {
                self.all(token, &["users", login, "keys"]).await?
            }
            own => own?,
        };
        Ok(keys.map(ForgeKey::from))
    }

    async fn search_repositories(
        &self,
        token: &Secret,
        query: &RepositoryQuery,
    ) -> Result<Listed<FoundRepository>> {
        let owner = query.owner.iter().map(|owner| format!("user:{owner}"));
        let asked: Vec<_> = query.words.iter().filter_map(|word| keyword(word)).chain(owner).collect();
        let found = if asked.is_empty() {
            self.own(token, query.forks).await?
        } else {
            let forks = query.forks.then(|| "fork:true".to_owned());
            let asked: Vec<_> = asked.into_iter().chain(forks).collect();
            self.found(token, &asked.join(" "), query.forks).await?
        };
        Ok(found.map(FoundRepository::from))
    }

    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>> {
        let found = visible(self.all::<WireOrganization>(token, &["user", "orgs"]).await)?;
        let organization = |one: WireOrganization| Organization {
            id: one.id,
            login: one.login,
            avatar_url: link(one.avatar_url).unwrap_or_default(),
            url: link(one.url).unwrap_or_default(),
            description: some(one.description),
        };
        Ok(found.map(organization))
    }

    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Listed<FoundPull>> {
        github_like::pulls(&self.api, bearer(token.expose())?, PAGING, query).await
    }

    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>> {
        github_like::branches(&self.api, bearer(token.expose())?, PAGING, repository).await
    }
}
