//! Identifiers are types: a runner's id cannot be passed where an integration's is meant.
use serde::Deserialize;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Reads the only spelling of a UUID that the API accepts: 8-4-4-4-12 hexadecimal digits, either case.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) on `field` for anything else, braces and `urn:` included.
pub fn parse_uuid(field: &str, text: &str) -> Result<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .ok_or_else(|| Error::invalid(field, "string.uuid", "value must be a valid UUID"))
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Deserialize)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the id from a request's `field`.
            ///
            /// # Errors
            /// As [`parse_uuid`].
            pub fn parse(field: &str, text: &str) -> Result<Self> {
                parse_uuid(field, text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// An organization: everything belongs to exactly one.
    OrganizationId;
    /// A member of one organization: a person, or a service account.
    UserId;
    /// A runner.
    RunnerId;
    /// A runner's SCM integration.
    IntegrationId;
    /// One process of a runner's agents.
    AgentId;
    /// A question to a runner's live agents.
    CallId;
    /// A stored credential of one subject for one runner and host.
    HostTokenId;
    /// A runner's LLM integration.
    LlmIntegrationId;
    /// An attempt to register a key.
    RegistrationId;
    /// A runner's environment class.
    EnvironmentClassId;
    /// A group of members.
    GroupId;
    /// A member's place in a group.
    MembershipId;
    /// A member's public SSH key.
    SshKeyId;
    /// A member's account at a forge.
    AccountId;
}
