//! The `{id}` of a route.
use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};

use super::{Rest, error::Refusal};

/// What a path names. What cannot be decoded names nothing.
pub(super) struct Id(pub(super) String);

impl FromRequestParts<Rest> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Refusal> {
        let Path(id) = Path::from_request_parts(parts, rest)
            .await
            .map_err(|_| Refusal::Transport(StatusCode::NOT_FOUND, "not found"))?;
        Ok(Self(id))
    }
}
