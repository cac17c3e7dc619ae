//! The `{id}` of a route.
use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};

use super::{Rest, error::RestError};

/// What a path names. What cannot be decoded names nothing.
pub(super) struct Id(pub(super) String);

impl FromRequestParts<Rest> for Id {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, RestError> {
        let Path(id) = Path::from_request_parts(parts, rest)
            .await
            .map_err(|_| RestError::Transport(StatusCode::NOT_FOUND, "not found"))?;
        Ok(Self(id))
    }
}
