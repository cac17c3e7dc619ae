//! `/scm_integrations`: the caller's accounts at forges. `{id}` is an account's id or its type's name.
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};

use super::{
    Rest, RestResult,
    auth::{Reader, Writer},
    body::Fields,
    error::Problem,
    id::Id,
    once::once,
    response::{json, no_content},
    wire::Owner,
    wire_accounts::{
        Integration, Integrations, NewIntegration, NewIntegrationBody, NewToken, OneIntegration, TokenBody,
    },
};
use crate::{
    domain::{
        access::Caller,
        account::{NewAccount, replacement},
        secret::Plaintext,
    },
    error::Error,
};

/// All accounts of the caller.
#[utoipa::path(
    get, path = "/v1/scm_integrations", tag = "accounts", security(("bearer" = [])),
    responses(
        (status = 200, body = Integrations<'static>), (status = 401, body = Problem), (status = 403, body = Problem),
    ),
)]
pub(super) async fn list(State(rest): State<Rest>, Reader(caller): Reader) -> RestResult {
    let accounts = rest.service.accounts(&caller).await?;
    let owner = Owner::from(accounts.owner.as_ref().ok_or_else(|| Error::not_found("user"))?);
    let scm_integrations = accounts.all.iter().map(|account| Integration::new(account, &owner)).collect();
    Ok(json(StatusCode::OK, &Integrations { scm_integrations }))
}

/// One account of the caller, by its id, or the newest of a type, by that type's name.
#[utoipa::path(
    get, path = "/v1/scm_integrations/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, body = OneIntegration<'static>), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn show(State(rest): State<Rest>, Reader(caller): Reader, Id(id): Id) -> RestResult {
    let account = rest.service.account(&caller, &id).await?;
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    Ok(json(StatusCode::OK, &OneIntegration { scm_integration: Integration::new(&account, &owner) }))
}

/// Links an account, once the forge has said whose the token is.
#[utoipa::path(
    post, path = "/v1/scm_integrations", tag = "accounts", security(("bearer" = [])),
    request_body = NewIntegrationBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses(
        (status = 201, body = OneIntegration<'static>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
pub(super) async fn create(
    State(rest): State<Rest>,
    Writer(caller): Writer,
    headers: HeaderMap,
    body: Body,
) -> RestResult {
    let mut fields = Fields::read::<NewIntegration>(&headers, body, "scm_integration", false).await?;
    let token = fields.text("access_token").map(Plaintext::new);
    let (scm_type, url) = (fields.text("scm_type"), fields.text("url"));
    let said = fields.check()?;
    let new = &NewAccount::parse(scm_type.as_deref(), url.as_deref(), token)?;
    let service = &rest.service;
    let make = |caller: Caller| async move { service.create_account(&caller, new).await };
    let account = once(&rest, caller.clone(), &headers, ("/v1/scm_integrations", &said), make).await?;
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    Ok(json(StatusCode::CREATED, &OneIntegration { scm_integration: Integration::new(&account, &owner) }))
}

/// Replaces the token of an account by another of the same person.
#[utoipa::path(
    patch, path = "/v1/scm_integrations/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path)), request_body = TokenBody,
    responses(
        (status = 200, body = OneIntegration<'static>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem),
    ),
)]
pub(super) async fn replace_token(
    State(rest): State<Rest>,
    Writer(caller): Writer,
    Id(id): Id,
    headers: HeaderMap,
    body: Body,
) -> RestResult {
    let mut fields = Fields::read::<NewToken>(&headers, body, "scm_integration", false).await?;
    let token = fields.text("access_token").map(Plaintext::new);
    fields.check()?;
    let account = rest.service.replace_account_token(&caller, &id, replacement(token)?).await?;
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    Ok(json(StatusCode::OK, &OneIntegration { scm_integration: Integration::new(&account, &owner) }))
}

/// Unlinks an account.
#[utoipa::path(
    delete, path = "/v1/scm_integrations/{id}", tag = "accounts", security(("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn delete(State(rest): State<Rest>, Writer(caller): Writer, Id(id): Id) -> RestResult {
    rest.service.delete_account(&caller, &id).await?;
    Ok(no_content())
}
