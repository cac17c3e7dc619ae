//! Why something could not be opened, said so that it helps an operator and nobody else.
use std::{error::Error, fmt};

/// Which check failed before anything was decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not five parts of canonical base64url, or IV or tag of another length.
    Malformed,
    /// The header is not exactly the members of the format in their order.
    Header,
    /// `alg` or `enc` is another.
    Algorithm,
    /// `typ` is another.
    Type,
    /// `kid` is not the one the server names beside the ciphertext.
    Kid,
    /// `aud` is another runner.
    Audience,
    /// `sub` is another object.
    Subject,
    /// `ctx` says that host, issuer or client id changed after the secret was sealed.
    Context,
    /// The wrapped key or the ciphertext has an impossible length.
    Length,
    /// Opened, but not a secret that the API accepts, or not a challenge.
    Plaintext,
}

impl Reason {
    /// The reason in a report to the server: one stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Header => "header",
            Self::Algorithm => "alg",
            Self::Type => "typ",
            Self::Kid => "kid",
            Self::Audience => "aud",
            Self::Subject => "sub",
            Self::Context => "ctx",
            Self::Length => "length",
            Self::Plaintext => "plaintext",
        }
    }
}

/// Why something could not be opened. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No key of the ring has this kid.
    UnknownKid,
    /// Not what was sealed for this place: do not use it, report `REJECTED` with the reason.
    Rejected(Reason),
    /// The one answer to every cryptographic failure, so that a hostile server learns nothing.
    Undecryptable,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKid => f.write_str("no private key with this kid"),
            Self::Rejected(reason) => write!(f, "rejected before use ({})", reason.as_str()),
            Self::Undecryptable => f.write_str("undecryptable"),
        }
    }
}

impl Error for OpenError {}
