//! `/keys`: the caller's public SSH keys.
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
    wire::{Key, Keys, NewKey, NewKeyBody, OneKey, Owner},
};
use crate::{
    domain::{access::Caller, id::SshKeyId, ssh_key::NewSshKey},
    error::Error,
};

/// All keys of the caller, imported or not.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", security(("bearer" = [])),
    responses((status = 200, body = Keys), (status = 401, body = Problem), (status = 403, body = Problem)),
)]
pub(super) async fn list(State(rest): State<Rest>, Reader(caller): Reader) -> RestResult {
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    let keys = rest.service.ssh_keys(&caller).await?;
    let keys = keys.into_iter().map(|key| Key::new(key, &owner)).collect();
    Ok(json(StatusCode::OK, &Keys { keys }))
}

/// One key of the caller.
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "keys", security(("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, body = OneKey), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn show(State(rest): State<Rest>, Reader(caller): Reader, Id(id): Id) -> RestResult {
    let key = rest.service.ssh_key(&caller, key_id(&id)?).await?;
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    Ok(json(StatusCode::OK, &OneKey { key: Key::new(key, &owner) }))
}

/// Stores a key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", security(("bearer" = [])), request_body = NewKeyBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses(
        (status = 201, body = OneKey), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
pub(super) async fn create(
    State(rest): State<Rest>,
    Writer(caller): Writer,
    headers: HeaderMap,
    body: Body,
) -> RestResult {
    let mut fields = Fields::read::<NewKey>(&headers, body, "key", true).await?;
    let (name, content) = (fields.text("name"), fields.text("content"));
    let said = fields.check()?;
    let new = &NewSshKey::parse(name.as_deref(), content.as_deref())?;
    let service = &rest.service;
    let make = |caller: Caller| async move { service.create_ssh_key(&caller, new.clone()).await };
    let key = once(&rest, caller.clone(), &headers, ("/v1/keys", &said), make).await?;
    let owner = Owner::from(&rest.service.myself(&caller).await?);
    Ok(json(StatusCode::CREATED, &OneKey { key: Key::new(key, &owner) }))
}

/// Deletes a key of the caller.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", security(("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn delete(State(rest): State<Rest>, Writer(caller): Writer, Id(id): Id) -> RestResult {
    rest.service.delete_ssh_key(&caller, key_id(&id)?).await?;
    Ok(no_content())
}

/// What is no id names nothing.
fn key_id(text: &str) -> Result<SshKeyId, Error> {
    SshKeyId::parse("id", text).map_err(|_| Error::not_found("key"))
}
