//! Questions that only a live agent can answer.
use std::time::Duration;

use crate::{
    clock::Instant,
    domain::id::{AgentId, CallId, RunnerId},
    error::{Error, Kind},
};

/// How long a caller waits in all. The transport's own limit is ten seconds.
pub const PATIENCE: Duration = Duration::from_millis(9_800);
/// How long an answer may take from the first offer.
pub const BUDGET: Duration = Duration::from_secs(8);
/// When a call that is not answered is offered to another agent.
pub const OFFER_AGAIN: Duration = Duration::from_secs(3);
/// When it is offered again to the one that has it.
pub const OFFER_SAME: Duration = Duration::from_millis(3_500);
/// How many calls of one runner may be open.
pub const MOST_OPEN: u32 = 256;

/// What an agent answered is not what it was asked for.
#[must_use]
pub fn unfitting() -> Error {
    Error::new(Kind::Unavailable, "the runner's agent gave an answer that does not fit")
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CallKind {
    /// Does this configuration work?
    Validate,
    /// Is the caller authenticated at a host, and how could it be?
    CheckAuthenticationForHost,
    /// What does a URL point at?
    ParseContextUrl,
    /// Which repositories are there?
    SearchRepositories,
    /// Which organizations does the caller have?
    ListScmOrganizations,
    /// Can the caller read a repository?
    CheckRepositoryAccess,
    /// Where does the browser go?
    BeginOauth,
    /// What is the code worth?
    CompleteOauth,
    /// What is the refresh token worth?
    RefreshHostToken,
    /// What did the agent log?
    TailLog,
}

impl CallKind {
    /// Whether asking twice would do harm: codes and refresh tokens are spent by their use.
    #[must_use]
    pub fn is_once(self) -> bool {
        matches!(self, Self::CompleteOauth | Self::RefreshHostToken)
    }
}

/// A call to be.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// Its id.
    pub id: CallId,
    /// Whose agents are to answer.
    pub runner: RunnerId,
    /// What is asked.
    pub kind: CallKind,
    /// The question, as it goes to the agent.
    pub question: Vec<u8>,
    /// The only agent that can answer; `None`: any.
    pub meant_for: Option<AgentId>,
}

/// A call as it is offered to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The call.
    pub id: CallId,
    /// To whom.
    pub agent: AgentId,
    /// 1, or 2 if it was offered before.
    pub attempt: u32,
    /// When nobody waits any more.
    pub deadline: Instant,
    /// The question, as the store has it.
    pub request: Vec<u8>,
}
