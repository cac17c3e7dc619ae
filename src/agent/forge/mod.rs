//! Forges as the agent asks them: who a credential is, which repositories it sees, where a URL leads.
//!
//! ```text
//! open(http, site) -> dyn Forge -> github | gitlab | gitea -> api -> http -> the forge
//!                                                              oauth -+
//! ```
mod gitea;
mod github;
mod github_like;
mod gitlab;
pub mod oauth;

use std::sync::Arc;

use async_trait::async_trait;

pub use crate::scm::{ForgeError, Result};

use crate::domain::{
    context_url::{RevisionKind, Site},
    scm::Scm,
    secret::Secret,
};
use crate::scm::{
    api,
    http::{Http, Response},
};

/// A person's credential: how it came to be decides the header it goes into.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// Made by OAuth.
    OAuth(&'a Secret),
    /// A personal access token.
    Pat(&'a Secret),
}

impl Credential<'_> {
    fn expose(&self) -> &str {
        match self {
            Self::OAuth(secret) | Self::Pat(secret) => secret.expose(),
        }
    }
}

/// A repository's name: `octocat` or `group/subgroup`, and `hello`.
#[derive(Clone, Copy, Debug)]
pub struct Slug<'a> {
    /// User, organization or group.
    pub owner: &'a str,
    /// Without `.git`.
    pub name: &'a str,
}

/// Whom a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login.
    pub login: String,
    /// What the forge says the credential may do; empty if it does not say.
    pub scopes: Vec<String>,
}

/// A repository that the credential can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`, as the forge spells it.
    pub full_name: String,
    /// `None` for an empty repository.
    pub default_branch: Option<String>,
    /// What it was forked from, `owner/name`.
    pub parent: Option<String>,
}

/// What became of a request so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullState {
    /// Still to be decided.
    Open,
    /// Refused or withdrawn.
    Closed,
    /// Taken.
    Merged,
}

/// A pull or merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// The author's login.
    pub author: String,
    /// Not ready for review yet.
    pub draft: bool,
    /// What became of it.
    pub state: PullState,
    /// The branch it comes from.
    pub from_branch: String,
    /// The commit at the tip of that branch.
    pub head_sha: String,
    /// The branch it wants to be merged into.
    pub to_branch: String,
    /// `owner/name` of the repository it comes from; `None` if that is gone.
    pub head_repository: Option<String>,
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
}

/// A revision that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Branch or tag; `Any` stands for a commit.
    pub kind: RevisionKind,
    /// The name, or the commit itself.
    pub name: String,
    /// The commit it points at.
    pub sha: String,
}

/// One page of a list; pages count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the forge's order.
    pub items: Vec<T>,
    /// Whether there is another page.
    pub more: bool,
    /// How many there are on all pages, if the forge says so.
    pub total: Option<u64>,
}

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// From 1.
    pub page: u32,
    /// At most 100; a forge may give fewer.
    pub size: u32,
}

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Part of a name, or for `native` the forge's own syntax; "" lists what the credential works with.
    pub text: &'a str,
    /// Whether `text` is the forge's own syntax.
    pub native: bool,
}

/// An organization, group or workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// As it stands in URLs: `octo`, `group/subgroup`.
    pub path: String,
}

/// One forge, asked over its API.
///
/// Every method asks at most a few questions, each within the limits of [`Http`], and repeats none: retrying is
/// the caller's. A credential the forge does not take is [`ForgeError::Unauthenticated`] everywhere; what the
/// credential may not see is [`ForgeError::NotFound`], as forges do not tell it from what never was. Names come
/// from [`ContextUrl`](crate::domain::context_url::ContextUrl) or a forge's own answer and are encoded here.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Whether the API of this kind of forge answers, without a credential. A rate limit counts as an answer.
    async fn probe(&self) -> Result<()>;

    /// Whom the credential belongs to.
    async fn user(&self, credential: Credential<'_>) -> Result<User>;

    /// A repository by its name; a renamed one answers by its new name.
    async fn repository(&self, credential: Credential<'_>, slug: Slug<'_>) -> Result<Repository>;

    /// A branch, tag or commit of this name, whichever `kind` asks for (`Any`: in this order); `None` if there
    /// is none.
    async fn resolve(
        &self,
        credential: Credential<'_>,
        slug: Slug<'_>,
        kind: RevisionKind,
        name: &str,
    ) -> Result<Option<Resolved>>;

    /// A commit by its digits, perhaps abbreviated; its full name.
    async fn commit(&self, credential: Credential<'_>, slug: Slug<'_>, sha: &str) -> Result<String>;

    /// A pull or merge request by its number.
    async fn pull_request(
        &self,
        credential: Credential<'_>,
        slug: Slug<'_>,
        number: u64,
    ) -> Result<PullRequest>;

    /// An issue by its number.
    async fn issue(&self, credential: Credential<'_>, slug: Slug<'_>, number: u64) -> Result<Issue>;

    /// Repositories (`owner/name`) that match.
    async fn search(
        &self,
        credential: Credential<'_>,
        search: Search<'_>,
        slice: Slice,
    ) -> Result<Page<String>>;

    /// Organizations of the credential's owner; `query` is part of a name and only GitLab heeds it. A
    /// credential without the right to list them has none.
    async fn organizations(
        &self,
        credential: Credential<'_>,
        query: &str,
        slice: Slice,
    ) -> Result<Page<Organization>>;
}

/// The client for a forge; `Ok(None)` for kinds that are known by their URLs only (Bitbucket, Azure DevOps).
///
/// # Errors
/// [`ForgeError::Disallowed`] if the agent does not connect to its host.
pub fn open(http: &Arc<Http>, site: &Site) -> Result<Option<Box<dyn Forge>>> {
    let http = Arc::clone(http);
    let authority = site.authority();
    Ok(match site.scm() {
        Scm::GitHub => Some(Box::new(github::GitHub::new(http, authority)?)),
        Scm::GitLab => Some(Box::new(gitlab::GitLab::new(http, authority)?)),
        Scm::Gitea | Scm::Forgejo => Some(Box::new(gitea::Gitea::new(http, authority)?)),
        Scm::Bitbucket | Scm::AzureEntra | Scm::AzureServer => None,
    })
}

/// Makes a page of what came back. `more` and `total` are said in headers, by each forge in its own.
fn page_of<T>(items: Vec<T>, answer: &Response, total: Option<u64>) -> Page<T> {
    let named = ["x-total", "x-total-count"].iter().find_map(|name| answer.header(name)?.parse().ok());
    Page { items, more: answer.says_more(), total: total.or(named) }
}

/// The revision of the first kind that exists; the order of [`Forge::resolve`].
fn kinds(kind: RevisionKind) -> &'static [RevisionKind] {
    match kind {
        RevisionKind::Branch => &[RevisionKind::Branch],
        RevisionKind::Tag => &[RevisionKind::Tag],
        RevisionKind::Any => &[RevisionKind::Branch, RevisionKind::Tag],
    }
}
