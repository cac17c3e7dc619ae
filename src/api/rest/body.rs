//! Request bodies: JSON, whatever `content-type` says of it, because official clients say anything.
#[cfg(debug_assertions)]
use std::collections::BTreeSet;
use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
#[cfg(debug_assertions)]
use utoipa::openapi::{RefOr, Schema};
use zeroize::Zeroizing;

use super::error::RestError;
use crate::error::{Error, Violation};

/// Bytes of a body.
const LONGEST: usize = 1 << 20;
/// How long nothing may arrive, and how long all of it may take.
const IDLE: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(6);
/// What is said of a member that must be there.
pub(super) const MISSING: &str = "missing field";

/// The members of a body's root object. Those that nobody asks for are ignored.
pub(super) struct Fields {
    members: Map<String, Value>,
    wrong: Vec<Violation>,
    /// What was asked for, and found: names and texts, each after its length.
    said: Zeroizing<Vec<u8>>,
    /// What is described, and was not asked for yet.
    #[cfg(debug_assertions)]
    described: BTreeSet<String>,
}

/// The length that stands before a name or a text, in bytes.
const PREFIX: usize = size_of::<u64>();

impl Fields {
    /// Reads `{"root": {..}}`, and with `bare` also the inner object alone. `T` describes that object: whoever builds
    /// this for tests learns when what is read and what is described are not the same members.
    ///
    /// # Errors
    /// 400 for what is no JSON, 422 on `root` for other JSON; 408, 413 and 415 for bodies that cannot be read.
    pub(super) async fn read<T: ToSchema>(
        headers: &HeaderMap,
        body: Body,
        root: &'static str,
        bare: bool,
    ) -> Result<Self, RestError> {
        let bytes = collect(headers, body).await?;
        // Syntax errors name what was expected and where, never what was found.
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| RestError::Syntax(error.to_string()))?;
        let missing = || RestError::Error(Error::invalid(root, "sealink.root", MISSING));
        let Value::Object(mut outer) = value else { return Err(missing()) };
        let members = match outer.remove(root) {
            Some(Value::Object(members)) => members,
            None if bare => outer,
            _ => return Err(missing()),
        };
        // At its full size from the start: growing would leave copies of secrets behind.
        let said =
            members.iter().map(|(name, value)| 2 * PREFIX + name.len() + value.as_str().map_or(0, str::len));
        let said = Zeroizing::new(Vec::with_capacity(said.sum()));
        Ok(Self {
            members,
            wrong: Vec::new(),
            said,
            #[cfg(debug_assertions)]
            described: described::<T>(),
        })
    }

    /// A text; absent and `null` are the same.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        #[cfg(debug_assertions)]
        assert!(self.described.remove(name), "{name} is read, and not described");
        match self.members.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                for part in [name, text.as_str()] {
                    self.said.extend_from_slice(&(part.len() as u64).to_be_bytes());
                    self.said.extend_from_slice(part.as_bytes());
                }
                Some(text)
            }
            Some(_) => {
                self.blame(name, "must be a string");
                None
            }
        }
    }

    fn blame(&mut self, name: &str, message: &'static str) {
        self.wrong.push(Violation {
            field: name.to_owned(),
            rule: "sealink.type".into(),
            message: message.into(),
        });
    }

    /// Nothing that was asked for had the wrong type; all of it, spelled the same whenever it says the same.
    ///
    /// # Errors
    /// 422 on every field that had.
    pub(super) fn check(self) -> Result<Zeroizing<Vec<u8>>, RestError> {
        #[cfg(debug_assertions)]
        assert!(self.described.is_empty(), "{:?} are described, and not read", self.described);
        if self.wrong.is_empty() { Ok(self.said) } else { Err(Error::violations_of(self.wrong).into()) }
    }
}

/// The members of a described object.
#[cfg(debug_assertions)]
fn described<T: ToSchema>() -> BTreeSet<String> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.into_keys().collect(),
        _ => BTreeSet::new(),
    }
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Bytes, RestError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(RestError::Transport(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bodies must not be compressed",
        ));
    }
    let end = Instant::now() + TOTAL;
    let mut all = BytesMut::new();
    loop {
        let slow = RestError::Transport(StatusCode::REQUEST_TIMEOUT, "the request body does not arrive");
        let frame = timeout_at(end.min(Instant::now() + IDLE), body.frame()).await.map_err(|_| slow)?;
        let Some(frame) = frame else { return Ok(all.freeze()) };
        let broken = RestError::Transport(StatusCode::BAD_REQUEST, "the request body broke off");
        let data = frame.map_err(|_| broken)?.into_data().unwrap_or_default();
        if all.len() + data.len() > LONGEST {
            return Err(RestError::Transport(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request body is larger than 1 MiB",
            ));
        }
        all.extend_from_slice(&data);
    }
}
