//! The public side of live calls: requests made plain for agents, and their answers completed.
#![expect(deprecated, reason = "members that the public API calls deprecated are still filled and read")]
use tonic::{Code, Status};

use crate::{
    api::status::detailed,
    domain::{id::RunnerId, integration::Integration},
    error::{Error, Result},
    pb::gitpod::v1::{
        CheckAuthenticationForHostResponse, PaginationRequest, ParseContextUrlPreconditionFailureDetails,
        ParseContextUrlResponse, SearchRepositoriesRequest, SearchRepositoriesResponse,
        check_authentication_for_host_response::{
            AuthenticationMethodOAuth2, AuthenticationMethodPersonalAccessToken,
        },
        parse_context_url_response::PullRequest,
    },
};

/// Items on a page if nobody says.
const PAGE: i32 = 25;

/// The page size that agents always find.
pub(crate) fn default_page_size(pagination: &mut Option<PaginationRequest>) {
    let pagination = pagination.get_or_insert_default();
    if pagination.page_size == 0 {
        pagination.page_size = PAGE;
    }
}

/// A search as agents get it: the size in one place, and of the token only the page.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) for a token that is none of `PAGE/PAGES/ITEMS`.
pub(crate) fn search(mut request: SearchRepositoriesRequest) -> Result<SearchRepositoriesRequest> {
    let limit = std::mem::take(&mut request.limit);
    let pagination = request.pagination.get_or_insert_default();
    if pagination.page_size == 0 {
        pagination.page_size = limit;
    }
    let page = pagination.token.split('/').next().unwrap_or_default();
    let numbers = pagination.token.split('/').all(|part| part.parse::<i32>().is_ok());
    if !pagination.token.is_empty() && (!numbers || !page.parse::<i32>().is_ok_and(|page| page > 0)) {
        let message = "value must be the next_token of an earlier page";
        return Err(Error::invalid("pagination.token", "sealink.page_token", message));
    }
    pagination.token = page.to_owned();
    default_page_size(&mut request.pagination);
    Ok(request)
}

/// What a search found, with the superseded count of pages.
pub(crate) fn found(mut response: SearchRepositoriesResponse) -> SearchRepositoriesResponse {
    let token = response.pagination.get_or_insert_default().next_token.clone();
    let pages = token.split('/').nth(1).and_then(|pages| pages.parse().ok());
    response.last_page = pages.filter(|pages| *pages > 0).unwrap_or_default();
    response
}

/// What a URL points at, with the superseded members.
pub(crate) fn context(mut response: ParseContextUrlResponse, url: String) -> ParseContextUrlResponse {
    response.original_context_url = url;
    if let (None, Some(pull)) = (&response.pr, &response.pull_request) {
        response.pr = Some(PullRequest {
            id: pull.id.clone(),
            title: pull.title.clone(),
            from_branch: pull.from_branch.clone(),
            to_branch: pull.to_branch.clone(),
        });
    }
    response
}

/// How a caller could authenticate: what the agent says, as far as the integration allows it, and where to go.
pub(crate) fn authentication(
    agent: CheckAuthenticationForHostResponse,
    integration: &Integration,
    auth_url: String,
) -> CheckAuthenticationForHostResponse {
    let oauth = integration.oauth.is_some().then(|| {
        let told = agent.supports_oauth2.unwrap_or_default();
        AuthenticationMethodOAuth2 { auth_url: auth_url.clone(), ..told }
    });
    let pat: Option<AuthenticationMethodPersonalAccessToken> =
        integration.pat.then(|| agent.supports_pat.unwrap_or_default());
    CheckAuthenticationForHostResponse {
        authenticated: agent.authenticated,
        authentication_url: if oauth.is_some() { auth_url } else { String::new() },
        pat_supported: pat.is_some(),
        scm_id: integration.scm_id.clone(),
        scm_name: agent.scm_name,
        supports_oauth2: oauth,
        supports_pat: pat,
    }
}

/// No runner was named, and it is not clear which is meant.
pub(crate) fn choose_runner(runners: &[RunnerId]) -> Status {
    let detail = ParseContextUrlPreconditionFailureDetails {
        runner_ids: runners.iter().map(ToString::to_string).collect(),
        ..ParseContextUrlPreconditionFailureDetails::default()
    };
    let text = if runners.is_empty() {
        "no runner of yours has an integration for this host"
    } else {
        "several runners serve this host: name one in runner_id"
    };
    let name = "gitpod.v1.ParseContextURLPreconditionFailureDetails";
    detailed(Code::FailedPrecondition, text.to_owned(), name, &detail)
}
