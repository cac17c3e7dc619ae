//! Who calls the REST API: the bearer of an API token, or of the web token that it was exchanged for.
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Rest, error::RestError};
use crate::{
    api::authorization::authorization,
    domain::{
        access::{Audience, Caller},
        token::Credential,
    },
    error::{Error, Kind},
};

/// Whoever may read: also the holder of a token that only reads.
pub(super) struct Reader(pub(super) Caller);

/// Whoever may change something.
pub(super) struct Writer(pub(super) Caller);

impl FromRequestParts<Rest> for Reader {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, RestError> {
        admitted(parts, rest, true).await.map(Self)
    }
}

impl FromRequestParts<Rest> for Writer {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, RestError> {
        admitted(parts, rest, false).await.map(Self)
    }
}

async fn admitted(parts: &Parts, rest: &Rest, reads: bool) -> Result<Caller, RestError> {
    let caller = authenticate(&parts.headers, rest).await?;
    caller.admit(Audience::Users, reads)?;
    Ok(caller)
}

async fn authenticate(headers: &HeaderMap, rest: &Rest) -> Result<Caller, Error> {
    let token = authorization(headers, "bearer").ok_or_else(Error::unauthenticated)?;
    // A token that an operator presets may have dots, too.
    if token.starts_with("ey") && token.matches('.').count() == 2 {
        match rest.service.authenticate_web_token(token).await {
            Err(error) if error.kind() == Kind::Unauthenticated => {}
            answer => return answer,
        }
    }
    let credential = Credential::parse(token).ok_or_else(Error::unauthenticated)?;
    rest.service.authenticate(&credential).await
}

/// The API token that stands as the password of nobody: `Basic base64(":token")`.
pub(super) fn basic(headers: &HeaderMap) -> Option<Credential> {
    let decoded = Zeroizing::new(STANDARD.decode(authorization(headers, "basic")?).ok()?);
    let token = std::str::from_utf8(&decoded).ok()?.strip_prefix(':')?;
    Credential::parse(token)
}
