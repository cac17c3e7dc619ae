//! Forges as the server asks them for a member: whom a token belongs to, keys, repositories, pull requests.
//!
//! ```text
//! Forges::provider(type, url) -> dyn Provider -> github | gitlab | gitea -> api -> http -> the forge
//! ```
mod gitea;
mod github;
mod github_like;
mod gitlab;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use url::Url;

use super::{
    ForgeError, Result,
    api::Api,
    egress::Policy,
    http::{Http, Limits},
    lists::{Bounds, MOST_PAGES},
};
use crate::{
    domain::{
        account::{ForgeUrl, ScmType},
        forge::{ForgeKey, FoundPull, FoundRepository, Listed, Organization, Profile},
        scm_query::{PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
    },
    error::{self, Error},
};

/// How many keys, organizations or branches are read.
const MOST: usize = 1_000;
/// How many repositories a search answers.
const MOST_FOUND: usize = 100;
/// How much a search for repositories reads.
const SEARCHED: Bounds = Bounds { pages: MOST_PAGES, read: MOST, kept: MOST_FOUND };
/// How much a search for pull requests reads.
const PULLS: Bounds = Bounds { pages: 10, read: MOST, kept: MOST };
/// How often a question is repeated that a forge could not answer for the moment.
const RETRIES: u32 = 2;

/// One forge, asked with a member's access token.
///
/// Every method may ask several questions; each is repeated at most twice if the forge fails for the moment, and ends
/// within the limits of [`Http`]. All of them together end as [`Patience`] says, from when the provider was made. A token
/// the forge does not take is [`ForgeError::Unauthenticated`] everywhere. What a token may not see is
/// [`ForgeError::NotFound`], as forges do not tell it from what never was; where people
/// are told to make tokens without that right, it is left out instead. Names are encoded here.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Whom the token belongs to.
    async fn profile(&self, token: &Secret) -> Result<Profile>;

    /// The public SSH keys of `login`, whose token it is: as the forge calls its owner *now*. Where a token may not list
    /// its own keys, those that anybody may read under this login are answered.
    async fn ssh_keys(&self, token: &Secret, login: &str) -> Result<Listed<ForgeKey>>;

    /// The first 100 repositories that match, among the first 1,000 that the forge finds; without words and an owner,
    /// among those that are the token's owner's to work with.
    async fn search_repositories(
        &self,
        token: &Secret,
        query: &RepositoryQuery,
    ) -> Result<Listed<FoundRepository>>;

    /// Organizations of the token's owner; none if the token may not list them.
    async fn organizations(&self, token: &Secret) -> Result<Listed<Organization>>;

    /// Those of the newest pull requests of a repository that match; ten pages of the forge are read. Truncated also if
    /// the sources of some were left empty because there are too many.
    async fn search_pulls(&self, token: &Secret, query: &PullQuery) -> Result<Listed<FoundPull>>;

    /// The names of a repository's branches.
    async fn branches(&self, token: &Secret, repository: &RepositoryName) -> Result<Listed<String>>;
}

/// How long all questions of one use case may take together, and whether the forge is taken to be away if they fail.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// A forge that is yet to be linked, or newly: as long as one question, 10 s.
    Link,
    /// A linked one, whose lists have pages: 18 s, of the 20 that a request has.
    Use,
}

/// The way to every forge.
#[derive(Clone, Debug)]
pub struct Forges {
    policy: Policy,
    ca: Option<PathBuf>,
    limits: Limits,
    /// Made when it is first needed: the roots it trusts take megabytes.
    http: OnceLock<Arc<Http>>,
}

impl Forges {
    /// Connects where `policy` lets it; `ca` is a file of roots to trust besides the system's.
    #[must_use]
    pub fn new(policy: Policy, ca: Option<PathBuf>, limits: Limits) -> Self {
        Self { policy, ca, limits, http: OnceLock::new() }
    }

    fn http(&self) -> error::Result<Arc<Http>> {
        if let Some(http) = self.http.get() {
            return Ok(Arc::clone(http));
        }
        // Whoever asks cannot help it: the file was usable when the server started.
        let http =
            Http::new(self.policy.clone(), self.ca.as_deref(), self.limits).map_err(Error::internal)?;
        Ok(Arc::clone(self.http.get_or_init(|| http)))
    }

    /// The client for one use case at a forge; `Err` within `Ok` for one that may not be connected to.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if the roots cannot be read any more.
    pub fn provider(
        &self,
        scm_type: ScmType,
        url: &ForgeUrl,
        patience: Patience,
    ) -> error::Result<Result<Box<dyn Provider>>> {
        let http = self.http()?;
        let end = Instant::now() + patience.within(self.limits.total);
        let with = |api: Api| match patience {
            Patience::Link => api.until(end).for_strangers(),
            Patience::Use => api.until(end),
        };
        Ok(open(&http, scm_type, url, with))
    }
}

impl Patience {
    /// How long that is where one question may take `total`.
    fn within(self, total: Duration) -> Duration {
        match self {
            Self::Link => total,
            Self::Use => total * 9 / 5,
        }
    }
}

fn open(
    http: &Arc<Http>,
    scm_type: ScmType,
    url: &ForgeUrl,
    with: impl Fn(Api) -> Api,
) -> Result<Box<dyn Provider>> {
    let at = |origin: &str, version: &[&str]| {
        let origin = http.policy().of_origin(origin).map_err(ForgeError::Disallowed)?;
        let below = url.base_path().split('/').filter(|part| !part.is_empty());
        let base = below.chain(version.iter().copied()).map(str::to_owned).collect();
        Ok(with(Api::at(Arc::clone(http), origin, base).with_retries(RETRIES)))
    };
    Ok(match scm_type {
        ScmType::GitHub => Box::new(github::GitHub::new(at("https://api.github.com", &[])?)),
        ScmType::GitHubEnterprise => Box::new(github::GitHub::new(at(url.origin(), &["api", "v3"])?)),
        ScmType::GitLab | ScmType::GitLabSelfHosted => {
            Box::new(gitlab::GitLab::new(at(url.origin(), &["api", "v4"])?, site(url)))
        }
        ScmType::Gitea | ScmType::Forgejo => {
            Box::new(gitea::Gitea::new(at(url.origin(), &["api", "v1"])?, site(url)))
        }
    })
}

/// What a token may not list is left out.
fn visible<T>(found: Result<Listed<T>>) -> Result<Listed<T>> {
    match found {
        Err(ForgeError::Forbidden) => Ok(Listed::empty()),
        found => found,
    }
}

/// Where people find the forge.
fn site(url: &ForgeUrl) -> String {
    format!("{}{}", url.origin(), url.base_path())
}

/// A URL of the forge that is shown to people, if it is one.
fn link(text: Option<String>) -> Option<String> {
    let text = text.filter(|text| text.len() <= 2_048)?;
    Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(text)
}

/// The page of something, or nothing if what the forge says of it is no URL for people.
fn page(text: String) -> String {
    link(Some(text)).unwrap_or_default()
}

/// Text that is not empty.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
