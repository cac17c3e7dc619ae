//! Accounts at forges and what they see, as the REST API sends them.
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    page::Meta,
    wire::{Owner, time},
};
use crate::domain::{
    account::Account,
    forge::{self, Profile},
};

/// An account at a forge. Its token is never sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Integration<'a> {
    /// A UUID.
    id: String,
    /// The kind of forge.
    scm_type: &'static str,
    /// `scheme://host[:port]`.
    url: &'a str,
    /// When it was linked.
    created_at: String,
    /// The forge's own id of the person.
    uid: &'a str,
    /// The login there.
    username: &'a str,
    /// The address there, if the forge says it.
    email: Option<&'a str>,
    /// A picture.
    avatar_url: Option<&'a str>,
    /// The person's page.
    profile_url: &'a str,
    /// Whose it is here.
    owner: &'a Owner,
}

/// One account under its name.
#[derive(Serialize, ToSchema)]
pub(super) struct OneIntegration<'a> {
    /// The account.
    pub(super) scm_integration: Integration<'a>,
}

/// Accounts under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct Integrations<'a> {
    /// Oldest first.
    pub(super) scm_integrations: Vec<Integration<'a>>,
}

/// An account to be linked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(super) struct NewIntegration {
    /// The kind of forge.
    scm_type: String,
    /// Where the forge is; not needed for `github` and `gitlab`.
    #[schema(format = "uri", max_length = 2048)]
    url: Option<String>,
    /// A token that the forge made.
    #[schema(format = Password, min_length = 1, max_length = 4096)]
    access_token: String,
}

/// An account to be linked, under its name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(super) struct NewIntegrationBody {
    /// The account.
    scm_integration: NewIntegration,
}

/// Another token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(super) struct NewToken {
    /// Of the same person.
    #[schema(format = Password, min_length = 1, max_length = 4096)]
    access_token: String,
}

/// Another token, under the account's name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(super) struct TokenBody {
    /// The account.
    scm_integration: NewToken,
}

/// A repository.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Repository {
    /// The forge's number of it.
    id: u64,
    /// `hello`.
    name: String,
    /// `octocat/hello`.
    full_name: String,
    /// Its page.
    url: String,
    /// In its owner's words.
    description: Option<String>,
}

/// Repositories under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct Repositories {
    /// At most 100.
    pub(super) repositories: Vec<Repository>,
}

/// An organization or a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    /// The forge's number of it.
    id: u64,
    /// As it stands in URLs.
    login: String,
    /// A picture.
    avatar_url: String,
    /// Where the forge's API has it.
    url: String,
    /// In its own words.
    description: Option<String>,
}

/// Organizations under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct Organizations {
    /// One page.
    pub(super) organizations: Vec<Organization>,
    /// Which one.
    pub(super) meta: Meta,
}

/// A pull or merge request.
#[derive(Serialize, ToSchema)]
pub(super) struct PullRequest {
    /// The forge's number of it.
    id: u64,
    /// Its number in the repository.
    number: u64,
    /// Its title.
    title: String,
    /// Its page.
    html_url: String,
    /// `owner/name` of the repository it comes from; empty if that is gone or not for the account to see.
    source_repo_name: String,
    /// That repository's page.
    source_repo_html_url: String,
}

/// Pull requests under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct PullRequests {
    /// In the forge's order.
    pub(super) pull_requests: Vec<PullRequest>,
}

/// A branch.
#[derive(Serialize, ToSchema)]
pub(super) struct Branch {
    /// Its name.
    pub(super) name: String,
}

/// Branches under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct Branches {
    /// In the forge's order.
    pub(super) branches: Vec<Branch>,
}

impl<'a> Integration<'a> {
    pub(super) fn new(account: &'a Account, owner: &'a Owner) -> Self {
        let Account { id, scm_type, url, profile, created_at, .. } = account;
        let Profile { uid, username, email, avatar_url, profile_url } = profile;
        Self {
            id: id.to_string(),
            scm_type: scm_type.id(),
            url: url.origin(),
            created_at: time(*created_at),
            uid,
            username,
            email: email.as_deref(),
            avatar_url: avatar_url.as_deref(),
            profile_url,
            owner,
        }
    }
}

impl From<forge::FoundRepository> for Repository {
    fn from(found: forge::FoundRepository) -> Self {
        let forge::FoundRepository { id, name, full_name, url, description } = found;
        Self { id, name, full_name, url, description }
    }
}

impl From<forge::Organization> for Organization {
    fn from(found: forge::Organization) -> Self {
        let forge::Organization { id, login, avatar_url, url, description } = found;
        Self { id, login, avatar_url, url, description }
    }
}

impl From<forge::FoundPull> for PullRequest {
    fn from(found: forge::FoundPull) -> Self {
        let forge::FoundPull { id, number, title, html_url, source_name, source_url } = found;
        Self { id, number, title, html_url, source_repo_name: source_name, source_repo_html_url: source_url }
    }
}
