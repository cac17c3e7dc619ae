//! The pages at which a user connects an account at a forge: `/oauth/start/<ticket>` and `/oauth/callback`.
//!
//! ```text
//! link -> page: who connects what? + cookie -> form -> agent: BeginOAuth -> the forge
//!      <- page: connected as <name> <- agent: CompleteOAuth <- code, state, cookie <- the forge
//! ```
mod problem;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::get,
};
use url::form_urlencoded;

use self::problem::Problem;
use super::{
    convert,
    grpc::{Api, mismatched},
    pages::{escape, page},
};
use crate::{
    domain::oauth_ticket::{FlowSecret, LIFE},
    pb::sealink::v1::{
        BeginOAuthCall, CompleteOAuthCall, CompleteOAuthResult, send_response_request::Result as Answer,
        watch_requests_response::Call as Question,
    },
    seal::random,
    service::{CALLBACK, Connected, OauthFlow},
};

const COOKIE: &str = "sealink_oauth";
/// The longest form, in bytes.
const LONGEST_FORM: usize = 4_096;

/// The routes.
pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/oauth/start/{ticket}", get(show).post(start))
        .route(CALLBACK, get(finish))
        .with_state(api)
}

async fn show(State(api): State<Api>, Path(ticket): Path<String>, headers: HeaderMap) -> Response<Body> {
    confirmation(&api, &ticket, &headers).await.unwrap_or_else(|problem| problem.page())
}

async fn confirmation(api: &Api, ticket: &str, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
    let ticket = FlowSecret::parse(ticket).ok_or(Problem::Link)?;
    let flow = api.service.oauth_flow(&ticket).await?;
    let names = api.service.oauth_names(&flow).await?;
    let cookie = match cookie(headers) {
        Some(cookie) => cookie,
        None => FlowSecret::new(&*random::bytes().map_err(Problem::from)?),
    };
    let body = format!(
        "<p>You are about to connect an account at <strong>{}</strong> to the user <strong>{}</strong> of \
         <strong>{}</strong>.</p><p>Go on only if that user is you: whoever it is will act with your account.</p>\
         <form method=\"post\"><input type=\"hidden\" name=\"form\" value=\"{}\">\
         <button>Continue to {}</button></form>",
        escape(flow.integration.host.as_str()),
        escape(&names.user),
        escape(&names.organization),
        cookie.form_token(&ticket),
        escape(flow.integration.host.as_str()),
    );
    let mut response = page(StatusCode::OK, "Connect an account", &body);
    let secure = if api.service.is_secure() { "; Secure" } else { "" };
    let value = format!(
        "{COOKIE}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        cookie.expose(),
        LIFE.as_secs()
    );
    if let Ok(mut value) = HeaderValue::try_from(value) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The one well-formed cookie of ours.
fn cookie(headers: &HeaderMap) -> Option<FlowSecret> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = all
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let first = ours.next()?;
    if ours.next().is_some() { None } else { FlowSecret::parse(first) }
}

fn member(encoded: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(encoded).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn start(
    State(api): State<Api>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    match begin(&api, &ticket, &headers, body).await {
        Ok(url) => {
            let mut response = page(StatusCode::SEE_OTHER, "Continue at the forge", "");
            match HeaderValue::try_from(url) {
                Ok(url) => {
                    response.headers_mut().insert(header::LOCATION, url);
                    response
                }
                Err(_) => Problem::from(mismatched()).page(),
            }
        }
        Err(problem) => problem.page(),
    }
}

async fn begin(api: &Api, ticket: &str, headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    let ticket = FlowSecret::parse(ticket).ok_or(Problem::Link)?;
    let body = to_bytes(body, LONGEST_FORM).await.map_err(|_| Problem::Link)?;
    let form = member(&body, "form").unwrap_or_default();
    let flow = api.service.oauth_flow(&ticket).await?;
    let Some(cookie) = cookie(headers).filter(|cookie| cookie.fits(&ticket, &form)) else {
        return failed(api, &flow, Problem::Browser).await;
    };
    // The link stays good: an agent may come.
    if api.service.require_live(&flow.runner).is_err() {
        return failed(api, &flow, Problem::Offline).await;
    }
    let state = match api.service.start_oauth(&flow, &cookie).await {
        Ok(state) => state,
        Err(error) => return failed(api, &flow, error.into()).await,
    };
    match ask_page(api, &flow, &state).await {
        Ok(url) => Ok(url),
        Err(problem) => failed(api, &flow, problem).await,
    }
}

async fn ask_page(api: &Api, flow: &OauthFlow, state: &FlowSecret) -> Result<String, Problem> {
    let question = Question::BeginOauth(BeginOAuthCall {
        ticket_id: flow.ticket.id.to_string(),
        integration: Some(convert::configured(&flow.integration, &flow.runner)),
        redirect_uri: api.service.oauth_callback(),
        state: state.expose().to_owned(),
    });
    let Answer::BeginOauth(result) = api.ask(None, &flow.runner, question).await? else {
        return Err(mismatched().into());
    };
    let url = result.authorize_url;
    api.service.begin_oauth(flow, &url, result.sealed_verifier, result.kid).await?;
    Ok(url)
}

async fn failed<T>(api: &Api, flow: &OauthFlow, problem: Problem) -> Result<T, Problem> {
    if let Err(error) = api.service.note_oauth_failure(flow, problem.reason()).await {
        tracing::warn!(%error, "a failed flow was not written down");
    }
    Err(problem)
}

async fn finish(State(api): State<Api>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    match complete(&api, &query.unwrap_or_default(), &headers).await {
        Ok((host, name)) => {
            let body = format!(
                "<p>Your account <strong>{}</strong> at <strong>{}</strong> is connected. You can close this page.</p>",
                escape(&name),
                escape(&host)
            );
            page(StatusCode::OK, &format!("Connected as {name}"), &body)
        }
        Err(problem) => problem.page(),
    }
}

async fn complete(api: &Api, query: &str, headers: &HeaderMap) -> Result<(String, String), Problem> {
    let state = member(query.as_bytes(), "state").and_then(|state| FlowSecret::parse(&state));
    let state = state.ok_or(Problem::Link)?;
    let flow = api.service.oauth_flow_of_state(&state).await?;
    if cookie(headers).is_none_or(|cookie| !flow.ticket.is_of(&cookie)) {
        return failed(api, &flow, Problem::Browser).await;
    }
    api.service.finish_oauth(&flow).await?;
    if let Some(error) = member(query.as_bytes(), "error") {
        let problem = if error == "access_denied" {
            Problem::Denied
        } else {
            Problem::Said("the forge refused to authorize the OAuth app".to_owned())
        };
        return failed(api, &flow, problem).await;
    }
    let Some(code) = member(query.as_bytes(), "code").filter(|code| !code.is_empty()) else {
        return failed(api, &flow, Problem::Link).await;
    };
    match exchange(api, &flow, code).await {
        Ok(name) => Ok((flow.integration.host.as_str().to_owned(), name)),
        Err(problem) => failed(api, &flow, problem).await,
    }
}

/// Has an agent trade the code, and stores what it gets.
async fn exchange(api: &Api, flow: &OauthFlow, code: String) -> Result<String, Problem> {
    api.service.require_live(&flow.runner).map_err(|_| Problem::Offline)?;
    let verifier = flow.ticket.verifier.clone().ok_or(Problem::Link)?;
    let id = api.service.new_host_token_id();
    let question = Question::CompleteOauth(CompleteOAuthCall {
        ticket_id: flow.ticket.id.to_string(),
        token_id: id.to_string(),
        integration: Some(convert::configured(&flow.integration, &flow.runner)),
        redirect_uri: api.service.oauth_callback(),
        code,
        sealed_verifier: verifier.bytes,
        kid: verifier.kid.0,
        subject: Some(convert::user_subject(flow.ticket.user)),
    });
    let Answer::CompleteOauth(result) = api.ask(None, &flow.runner, question).await? else {
        return Err(mismatched().into());
    };
    let CompleteOAuthResult { sealed_token, sealed_refresh_token, kid, scopes, expires_at, user_name } =
        result;
    let connected = Connected {
        id,
        value: sealed_token,
        refresh: sealed_refresh_token,
        kid,
        scopes,
        expires_at: expires_at.map(|at| convert::instant("expires_at", at)).transpose()?,
    };
    api.service.connect(flow, connected).await?;
    Ok(user_name.chars().filter(|letter| !letter.is_control()).take(100).collect())
}
