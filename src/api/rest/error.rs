//! Errors as the REST API's clients parse them: always JSON, `errors` always arrays of sentences.
use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::response::json;
use crate::{
    api::status::log_unexpected,
    domain::account,
    error::{Error, Violation},
};

/// What clients read of an error. The official ones show `errors`, or else `error`.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Problem {
    /// What went wrong, in a sentence.
    error: String,
    /// What was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// For programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// With status 422: what is wrong with which field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<String, Vec<String>>,
}

/// Why a request gets no answer.
pub(super) enum RestError {
    /// A use case says no.
    Error(Error),
    /// So does the transport: bodies, routes, methods.
    Transport(StatusCode, &'static str),
    /// The body is no JSON; where and why.
    Syntax(String),
}

impl From<Error> for RestError {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response<Body> {
        match self {
            Self::Error(error) => refuse(&error),
            Self::Transport(status, text) => {
                json(status, &Problem { error: text.to_owned(), ..Problem::default() })
            }
            Self::Syntax(text) => {
                let problem = Problem {
                    error: format!("Invalid JSON: {text}"),
                    code: Some("invalid_json".to_owned()),
                    ..Problem::default()
                };
                json(StatusCode::BAD_REQUEST, &problem)
            }
        }
    }
}

fn refuse(error: &Error) -> Response<Body> {
    log_unexpected(error);
    let status = error.kind().http();
    let mut response = json(status, &problem(status, error));
    if let Some(delay) = error.retry_delay() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
    }
    response
}

fn problem(status: StatusCode, error: &Error) -> Problem {
    let message = error.message().to_owned();
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return unprocessable(error);
    }
    match status {
        StatusCode::NOT_FOUND => match error.resource() {
            None => Problem { error: message, ..Problem::default() },
            // Its clients know it without `resource`: the code says to programs what it is.
            Some(account::RESOURCE) => Problem {
                error: account::NOT_FOUND.to_owned(),
                code: Some(format!("{}_not_found", account::RESOURCE)),
                ..Problem::default()
            },
            Some(resource) => Problem {
                resource: Some(resource.to_owned()),
                error: "not found".to_owned(),
                ..Problem::default()
            },
        },
        StatusCode::FORBIDDEN => {
            let code = error.violations().first().map_or("forbidden", |one| one.rule.as_ref());
            Problem { error: message, code: Some(code.to_owned()), ..Problem::default() }
        }
        _ => Problem { error: message, ..Problem::default() },
    }
}

/// Clients need at least one field to blame.
fn unprocessable(error: &Error) -> Problem {
    let mut errors = BTreeMap::<_, Vec<_>>::new();
    for one in error.violations() {
        errors.entry(one.field.clone()).or_default().push(sentence(one));
    }
    if errors.is_empty() {
        errors.insert("base".to_owned(), vec![error.message().to_owned()]);
    }
    let said = errors.iter().flat_map(|(field, texts)| texts.iter().map(move |text| summary(field, text)));
    let error = said.collect::<Vec<_>>().join(", ");
    Problem { error, errors, ..Problem::default() }
}

fn summary(field: &str, text: &str) -> String {
    match text {
        super::body::MISSING => format!("{field}: {text}"),
        _ if field == "base" => text.to_owned(),
        _ => format!("{field} {text}"),
    }
}

/// Rules say "value must be .."; here the field's name stands in front.
fn sentence(one: &Violation) -> String {
    one.message.strip_prefix("value ").unwrap_or(&one.message).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Kind;

    fn said(error: &Error) -> (u16, Value) {
        let status = error.kind().http();
        (status.as_u16(), serde_json::to_value(problem(status, error)).unwrap())
    }

    #[test]
    fn errors_have_the_shapes_that_clients_parse() {
        let violation = |field: &str, message: &'static str| Violation {
            field: field.to_owned(),
            rule: "x".into(),
            message: message.into(),
        };
        for (error, status, body) in [
            (
                Error::violations_of(vec![
                    violation("access_token", "can't be blank"),
                    violation("scm_type", "Unknown scm integration type"),
                ]),
                422,
                json!({
                    "error": "access_token can't be blank, scm_type Unknown scm integration type",
                    "errors": {
                        "access_token": ["can't be blank"],
                        "scm_type": ["Unknown scm integration type"],
                    },
                }),
            ),
            (
                Error::invalid("key", "x", "missing field"),
                422,
                json!({ "error": "key: missing field", "errors": { "key": ["missing field"] } }),
            ),
            (
                Error::new(Kind::AlreadyExists, "has already been taken").blaming("content", "x"),
                422,
                json!({
                    "error": "content has already been taken",
                    "errors": { "content": ["has already been taken"] },
                }),
            ),
            (
                Error::new(Kind::Precondition, "not now"),
                422,
                json!({ "error": "not now", "errors": { "base": ["not now"] } }),
            ),
            (Error::not_found("key"), 404, json!({ "resource": "key", "error": "not found" })),
            (
                Error::not_found(account::RESOURCE),
                404,
                json!({ "error": "SCM integration not found", "code": "account_not_found" }),
            ),
            (Error::new(Kind::NotFound, "key not found"), 404, json!({ "error": "key not found" })),
            (Error::new(Kind::Forbidden, "no"), 403, json!({ "error": "no", "code": "forbidden" })),
            (
                Error::new(Kind::Forbidden, "no").blaming("access_token", "scm_token_rejected"),
                403,
                json!({ "error": "no", "code": "scm_token_rejected" }),
            ),
            (Error::unauthenticated(), 401, json!({ "error": "missing or invalid bearer token" })),
            (Error::internal("a cause"), 500, json!({ "error": "internal" })),
        ] {
            assert_eq!(said(&error), (status, body));
        }
    }
}
