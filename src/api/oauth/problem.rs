//! Why a flow does not go on, as its page says it.
use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use tonic::{Code, Status};

use crate::{
    api::{
        grpc::Unanswered,
        pages::{escape, page},
    },
    error::{Error, Kind},
};

/// Why a page says no.
pub(super) enum Problem {
    /// The link or the state is unknown, used, or too old.
    Link,
    /// The cookie is another one's.
    Browser,
    /// The user has lost its role on the runner.
    Role,
    /// No agent takes calls.
    Offline,
    /// The forge's user said no.
    Denied,
    /// An agent, or the forge behind it, says why.
    Said(String),
}

/// What an agent says, or why none does.
impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::DeadlineExceeded => Self::Offline,
            _ => Self::Said(status.message().to_owned()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match (error.kind(), error.resource()) {
            (Kind::NotFound, Some("link" | "runner")) => Self::Link,
            (Kind::Forbidden, _) => Self::Role,
            _ => Status::from(error).into(),
        }
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Ours(error) => error.into(),
            Unanswered::Agents(status) => status.into(),
        }
    }
}

impl Problem {
    /// For the audit log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Browser => "another browser",
            Self::Role => "no role on the runner",
            Self::Offline => "runner offline",
            Self::Denied => "denied",
            Self::Said(_) => "refused by the forge or the runner",
        }
    }

    pub(super) fn page(&self) -> Response<Body> {
        let (status, title, cure) = match self {
            Self::Link => (
                StatusCode::NOT_FOUND,
                "This link is no longer good",
                "It works once and for ten minutes. Go back to where it came from and ask for a new one.".into(),
            ),
            Self::Browser => (
                StatusCode::FORBIDDEN,
                "This was started in another browser",
                "Open a new link in this browser, with cookies allowed, and finish it here.".into(),
            ),
            Self::Role => (
                StatusCode::FORBIDDEN,
                "You may not use this runner any more",
                "Nothing is connected. Ask whoever administers the runner for a role on it, then for a new link."
                    .into(),
            ),
            Self::Offline => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The runner is offline",
                "None of its agents answers. Have somebody start <code>sealink agent run</code>, then try again with \
                 a new link."
                    .into(),
            ),
            Self::Denied => (
                StatusCode::FORBIDDEN,
                "Access was denied",
                "The forge says that access was not granted. Nothing is connected; ask for a new link to try again."
                    .into(),
            ),
            Self::Said(text) => (
                StatusCode::BAD_GATEWAY,
                "The account could not be connected",
                format!(
                    "The runner says: <em>{}</em>. If it speaks of the client, an administrator must enter the \
                     OAuth app's client id and secret again; else ask for a new link to try again.",
                    escape(text)
                ),
            ),
        };
        page(status, title, &format!("<p>{cure}</p>"))
    }
}
