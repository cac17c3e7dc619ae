//! What can go wrong at a forge, told apart by what helps.
use std::{fmt, time::Duration};

/// Why a forge did not answer what was asked. Its text is for the caller: it holds no secret and nothing that
/// the forge sent, because whatever answers at an address somebody typed must not speak through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgeError {
    /// The forge does not take the token: it is wrong, expired or withdrawn.
    Unauthenticated,
    /// The forge takes the token, and says no: a scope is missing, or a policy stands against it.
    Forbidden,
    /// No such thing, or none that the token may see.
    NotFound,
    /// Too many requests; how long the forge asks to wait, if it says so.
    RateLimited(Option<Duration>),
    /// No connection stands: the network, the port, or TLS. It may be for the moment.
    NoConnection,
    /// No connection can be made from here: the name, or a certificate. Asking again does not help.
    Unreachable(&'static str),
    /// Connected, but no answer in time.
    TimedOut,
    /// The forge fails for now: HTTP status 500 and above.
    ServerError(u16),
    /// Something answers, but not the API of this forge.
    Protocol(&'static str),
    /// This address is not connected to.
    Disallowed(&'static str),
    /// It is asked so much from here that no place became free in time.
    Busy,
    /// It did not answer for a while, and is left alone for so long.
    Resting(Duration),
}

impl ForgeError {
    /// Whether the forge is away, as far as can be told from here.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::NoConnection | Self::TimedOut | Self::ServerError(502..=504))
    }
}

/// What forges answer.
pub type Result<T> = std::result::Result<T, ForgeError>;

impl fmt::Display for ForgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated => {
                f.write_str("the forge does not accept the credential; authenticate again")
            }
            Self::Forbidden => {
                f.write_str("the forge refuses this to the credential; a scope or an approval may be missing")
            }
            Self::NotFound => f.write_str("not found at the forge, or not visible to the credential"),
            Self::RateLimited(Some(delay)) => {
                write!(f, "the forge limits the rate of requests; try again in {} s", delay.as_secs().max(1))
            }
            Self::RateLimited(None) => f.write_str("the forge limits the rate of requests; try again later"),
            Self::NoConnection => f.write_str("the forge cannot be reached: no connection"),
            Self::Unreachable(why) => write!(f, "the forge cannot be reached: {why}"),
            Self::TimedOut => f.write_str("the forge took too long to answer; try again"),
            Self::ServerError(status) => write!(f, "the forge fails (HTTP status {status}); try again later"),
            Self::Protocol(why) => write!(f, "what answers there is not the API of this forge: {why}"),
            Self::Disallowed(why) => f.write_str(why),
            Self::Busy => f.write_str("the forge is asked too much at once; try again"),
            Self::Resting(left) => {
                write!(f, "the forge does not answer; it is asked again in {} s", left.as_secs().max(1))
            }
        }
    }
}

impl std::error::Error for ForgeError {}
