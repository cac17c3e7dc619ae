//! The REST API of users' accounts at forges and their SSH keys, as its official clients speak it.
//!
//! Every path is served below `/v1` and, because one client leaves that out, without it. What is unknown below `/v1`,
//! and every error, is JSON: clients parse nothing else.
mod accounts;
mod auth;
mod body;
mod docs;
mod error;
mod forge;
mod id;
mod keys;
mod once;
mod openapi;
mod page;
mod patterns;
mod query;
mod response;
mod statuses;
mod users;
mod wire;
mod wire_accounts;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{Response, StatusCode},
    middleware::{Next, from_fn, from_fn_with_state},
    routing::{get, post},
};

use self::error::RestError;
use crate::{
    error::{Error, Kind},
    service::Service,
};

/// What handlers answer.
type RestResult = Result<Response<Body>, RestError>;

/// What handlers work with.
#[derive(Clone)]
struct Rest {
    service: Arc<Service>,
}

/// How long a request may take that asks a forge: clients give up after 30 s.
const FORGES: Duration = Duration::from_secs(20);
/// When to try again what took too long.
const AGAIN: Duration = Duration::from_secs(5);

/// All routes, to be merged with the others of the port; a request that asks no forge may take `total`.
pub(super) fn routes(service: Arc<Service>, total: Duration) -> Router {
    let rest = Rest { service };
    let routes = Router::new()
        .route("/tokens/exchange", post(users::exchange))
        .route("/users/self", get(users::myself))
        .route("/regions", get(users::regions))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}", get(keys::show).delete(keys::delete))
        .route_layer(from_fn_with_state(total, in_time));
    let forges = Router::new()
        .route("/scm_integrations", get(accounts::list).post(accounts::create))
        .route(
            "/scm_integrations/{id}",
            get(accounts::show).patch(accounts::replace_token).delete(accounts::delete),
        )
        .route("/scm_integrations/{id}/import_keys", post(forge::import_keys))
        // Documented with GET, and used with POST in the same documentation's samples.
        .route("/scm_integrations/{id}/search_repos", get(forge::search_repos).post(forge::search_repos))
        .route("/scm_integrations/{id}/orgs", get(forge::orgs).post(forge::orgs))
        .route(
            "/scm_integrations/{id}/search_pull_requests",
            get(forge::search_pull_requests).post(forge::search_pull_requests),
        )
        .route("/scm_integrations/{id}/branches", get(forge::branches))
        .route_layer(from_fn_with_state(FORGES, in_time));
    let routes = routes.merge(forges).method_not_allowed_fallback(wrong_method);
    Router::new()
        .nest("/v1", routes.clone().fallback(unknown_route))
        .merge(routes)
        .merge(openapi::routes())
        .merge(docs::routes())
        .route_layer(from_fn(name_route))
        .with_state(rest)
}

async fn unknown_route() -> RestError {
    RestError::Transport(StatusCode::NOT_FOUND, "no such route")
}

async fn wrong_method() -> RestError {
    RestError::Transport(StatusCode::METHOD_NOT_ALLOWED, "this route does not have that method")
}

/// Ends what takes too long, before clients give up by themselves.
async fn in_time(State(total): State<Duration>, request: Request, next: Next) -> RestResult {
    let answer = tokio::time::timeout(total, next.run(request)).await;
    answer.map_err(|_| Error::new(Kind::Deadline, "this took too long").retry_after(AGAIN).into())
}

/// Tells the access log which route it was.
async fn name_route(request: Request, next: Next) -> Response<Body> {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::header::RETRY_AFTER;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_says_when_to_try_again() {
        let late = get(std::future::pending::<StatusCode>);
        let routes = Router::new().route("/", late).route_layer(from_fn_with_state(Duration::ZERO, in_time));
        let answer = routes.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &"5".parse().unwrap())
        );
        let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
        assert_eq!(body, r#"{"error":"this took too long"}"#);
    }
}
