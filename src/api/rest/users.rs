//! `/tokens/exchange`, `/users/self`, `/regions`.
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};

use super::{
    Rest, RestResult,
    auth::{Reader, basic},
    error::Problem,
    response::json,
    wire::{OneUser, Region, Regions, Token},
};
use crate::error::{Error, Kind};

/// Trades an API token, sent as the password of HTTP Basic with an empty user, for a web token.
#[utoipa::path(
    post, path = "/v1/tokens/exchange", tag = "users", security(("api_token" = [])),
    responses((status = 200, body = inline(Token<'static>)), (status = 401, body = Problem)),
)]
pub(super) async fn exchange(State(rest): State<Rest>, headers: HeaderMap) -> RestResult {
    let refused = || Error::new(Kind::Unauthenticated, "Invalid credentials");
    let credential = basic(&headers).ok_or_else(refused)?;
    let token = rest.service.web_token(&credential).await?;
    let mut response: Response<Body> = json(StatusCode::OK, &Token { token: &token });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whom the token belongs to.
#[utoipa::path(
    get, path = "/v1/users/self", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = OneUser), (status = 401, body = Problem), (status = 403, body = Problem)),
)]
pub(super) async fn myself(State(rest): State<Rest>, Reader(caller): Reader) -> RestResult {
    let user = rest.service.myself(&caller).await?.into();
    Ok(json(StatusCode::OK, &OneUser { user }))
}

/// Where the API is; anybody may ask.
#[utoipa::path(get, path = "/v1/regions", tag = "users", responses((status = 200, body = Regions)))]
pub(super) async fn regions(State(rest): State<Rest>) -> RestResult {
    let at = rest.service.public_url();
    let url = at.as_str().to_owned();
    let region = Region {
        name: "local",
        display_name: "Local",
        api: url.clone(),
        database_api: url.clone(),
        dashboard: url,
        ssh: format!("{}:22", at.host()),
        default: true,
    };
    Ok(json(StatusCode::OK, &Regions { regions: [region] }))
}
