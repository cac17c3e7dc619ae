//! What an account sees at its forge: keys, repositories, organizations, pull requests, branches.
use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderName, HeaderValue, Response, StatusCode},
};

use super::{
    Rest, RestResult,
    auth::{Reader, Writer},
    error::Problem,
    id::Id,
    page::PageNumber,
    query::parameter,
    response::json,
    wire::{Key, Keys, Owner},
    wire_accounts::{Branch, Branches, Organizations, PullRequest, PullRequests, Repositories, Repository},
};
use crate::{
    domain::scm_query::{PullQuery, RepositoryName, RepositoryQuery},
    error::Error,
};

/// Says that a list is not whole.
const TRUNCATED: HeaderName = HeaderName::from_static("x-sealink-truncated");

fn marked(mut response: Response<Body>, truncated: bool) -> Response<Body> {
    if truncated {
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    response
}

/// Stores the account's public SSH keys that the caller has not yet, and answers those.
#[utoipa::path(
    post, path = "/v1/scm_integrations/{id}/import_keys", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 201, body = Keys), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem),
    ),
)]
pub(super) async fn import_keys(State(rest): State<Rest>, Writer(caller): Writer, Id(id): Id) -> RestResult {
    let imported = rest.service.import_keys(&caller, &id).await?;
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    let keys = imported.items.into_iter().map(|key| Key::new(key, &owner)).collect();
    Ok(marked(json(StatusCode::CREATED, &Keys { keys }), imported.truncated))
}

/// Repositories that match: words, all of them, `fork:true`, `user:NAME`; without words and a user, those that the account
/// works with. The first 100.
#[utoipa::path(
    method(get, post), path = "/v1/scm_integrations/{id}/search_repos", tag = "accounts",
    security(("bearer" = [])),
    params(
        ("id" = String, Path),
        ("query" = Option<String>, Query, max_length = 1024),
    ),
    responses(
        (status = 200, body = Repositories), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem),
    ),
)]
pub(super) async fn search_repos(
    State(rest): State<Rest>,
    Reader(caller): Reader,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> RestResult {
    let query = RepositoryQuery::parse(&parameter(query.as_deref(), "query"))?;
    let found = rest.service.search_repositories(&caller, &id, &query).await?;
    let repositories = found.items.into_iter().map(Repository::from).collect();
    Ok(marked(json(StatusCode::OK, &Repositories { repositories }), found.truncated))
}

/// Organizations of the account.
#[utoipa::path(
    method(get, post), path = "/v1/scm_integrations/{id}/orgs", tag = "accounts", security(("bearer" = [])),
    params(
        ("id" = String, Path),
        ("page" = Option<u32>, Query, minimum = 1),
        ("per_page" = Option<u32>, Query, minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Organizations), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn orgs(
    State(rest): State<Rest>,
    Reader(caller): Reader,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> RestResult {
    let page = PageNumber::parse(query.as_deref());
    let found = rest.service.organizations(&caller, &id).await?;
    let (organizations, meta) = page.cut(found.items);
    let organizations = organizations.into_iter().map(Into::into).collect();
    Ok(marked(json(StatusCode::OK, &Organizations { organizations, meta }), found.truncated))
}

/// Pull requests of one repository: `repo:OWNER/NAME`, `is:open|closed`, words of the title.
#[utoipa::path(
    method(get, post), path = "/v1/scm_integrations/{id}/search_pull_requests", tag = "accounts",
    security(("bearer" = [])),
    params(
        ("id" = String, Path),
        ("query" = String, Query, max_length = 1024),
    ),
    responses(
        (status = 200, body = PullRequests), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem),
    ),
)]
pub(super) async fn search_pull_requests(
    State(rest): State<Rest>,
    Reader(caller): Reader,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> RestResult {
    let query = PullQuery::parse(&parameter(query.as_deref(), "query"))?;
    let found = rest.service.search_pulls(&caller, &id, &query).await?;
    let pull_requests = found.items.into_iter().map(PullRequest::from).collect();
    Ok(marked(json(StatusCode::OK, &PullRequests { pull_requests }), found.truncated))
}

/// Branches of one repository.
#[utoipa::path(
    get, path = "/v1/scm_integrations/{id}/branches", tag = "accounts", security(("bearer" = [])),
    params(
        ("id" = String, Path),
        ("repo_name" = String, Query, max_length = 1024),
    ),
    responses(
        (status = 200, body = Branches), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem),
    ),
)]
pub(super) async fn branches(
    State(rest): State<Rest>,
    Reader(caller): Reader,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> RestResult {
    let name = RepositoryName::parse(&parameter(query.as_deref(), "repo_name"));
    let name = name.ok_or_else(|| Error::invalid("repo_name", "sealink.repository", "must be owner/name"))?;
    let found = rest.service.branches(&caller, &id, &name).await?;
    let branches = found.items.into_iter().map(|name| Branch { name }).collect();
    Ok(marked(json(StatusCode::OK, &Branches { branches }), found.truncated))
}
