//! What Gitea and Forgejo took over from GitHub's API: people, names, pull requests and issues.
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{ForgeError, Issue, Organization, Page, PullRequest, PullState, Result, Slug, api::Api};

/// Somebody.
#[derive(Deserialize)]
pub(super) struct WireUser {
    pub(super) login: String,
}

/// A repository, of which only the name matters.
#[derive(Deserialize)]
pub(super) struct WireName {
    pub(super) full_name: String,
}

#[derive(Deserialize)]
struct WirePull {
    number: u64,
    title: String,
    state: String,
    #[serde(default)]
    draft: bool,
    /// How Gitea says it.
    #[serde(default)]
    merged: bool,
    /// How GitHub says it everywhere.
    merged_at: Option<String>,
    user: Option<WireUser>,
    head: WireSide,
    base: WireSide,
}

/// Null where the fork was deleted, whatever the published schemas say.
#[derive(Deserialize)]
struct WireSide {
    #[serde(rename = "ref")]
    branch: String,
    #[serde(default)]
    sha: String,
    repo: Option<WireName>,
}

#[derive(Deserialize)]
struct WireIssue {
    number: u64,
    title: String,
}

type Who = Option<(HeaderName, HeaderValue)>;

/// A pull request by its number.
pub(super) async fn pull_request(api: &Api, who: Who, slug: Slug<'_>, number: u64) -> Result<PullRequest> {
    let path = ["repos", slug.owner, slug.name, "pulls", &number.to_string()];
    let (found, _): (WirePull, _) = api.get(who, &path, &[]).await?;
    let state = match found.state.as_str() {
        _ if found.merged || found.merged_at.is_some() => PullState::Merged,
        "open" => PullState::Open,
        _ => PullState::Closed,
    };
    Ok(PullRequest {
        number: found.number,
        title: found.title,
        author: found.user.map(|user| user.login).unwrap_or_default(),
        draft: found.draft,
        state,
        from_branch: found.head.branch,
        head_sha: found.head.sha,
        to_branch: found.base.branch,
        head_repository: found.head.repo.map(|repo| repo.full_name),
    })
}

/// An issue by its number.
pub(super) async fn issue(api: &Api, who: Who, slug: Slug<'_>, number: u64) -> Result<Issue> {
    let path = ["repos", slug.owner, slug.name, "issues", &number.to_string()];
    let (found, _): (WireIssue, _) = api.get(who, &path, &[]).await?;
    Ok(Issue { number: found.number, title: found.title })
}

/// The names of repositories that were found.
pub(super) fn names(found: Vec<WireName>) -> Vec<String> {
    found.into_iter().map(|found| found.full_name).collect()
}

/// A credential that may not list organizations has none.
pub(super) fn allowed(page: Result<Page<Organization>>) -> Result<Page<Organization>> {
    match page {
        Err(ForgeError::Forbidden) => Ok(Page { items: Vec::new(), more: false, total: Some(0) }),
        page => page,
    }
}
