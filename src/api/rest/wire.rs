//! What the REST API sends: names, types and nulls as its official clients read them.
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::convert::timestamp,
    clock::Instant,
    domain::{id::UserId, ssh_key::SshKey, user::Member},
};

/// The answer to a token exchange.
#[derive(Serialize, ToSchema)]
pub(super) struct Token<'a> {
    /// A JSON Web Token for an hour.
    pub(super) token: &'a str,
}

/// A person or a service account.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    /// `us-` and a UUID.
    id: String,
    /// Its name, unique in the organization.
    username: String,
    /// The person's name; may be empty.
    fullname: String,
    /// Its e-mail address.
    email: String,
    /// Abilities; none are known.
    flags: Flags,
}

/// Abilities by name.
#[derive(Serialize, ToSchema)]
struct Flags {}

/// Whose something is.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Owner {
    /// `us-` and a UUID.
    id: String,
    /// Its e-mail address.
    email: String,
    /// Its name.
    username: String,
}

/// A place where apps run: here there is one.
#[derive(Serialize, ToSchema)]
pub(super) struct Region {
    /// `local`.
    pub(super) name: &'static str,
    /// Its name for people.
    pub(super) display_name: &'static str,
    /// Where its API is, without `/v1`.
    pub(super) api: String,
    /// The same.
    pub(super) database_api: String,
    /// The same.
    pub(super) dashboard: String,
    /// Host and port of its SSH server.
    pub(super) ssh: String,
    /// Whether it is the one to use.
    pub(super) default: bool,
}

/// A public SSH key.
#[derive(Serialize, ToSchema)]
pub(super) struct Key {
    /// A UUID.
    id: String,
    /// What its owner calls it.
    name: String,
    /// As in `authorized_keys`.
    content: String,
    /// MD5, in hexadecimal digits with colons between the bytes.
    fingerprint: String,
    /// SHA-256, as ssh prints it.
    fingerprint_sha256: String,
    /// When it was stored.
    created_at: String,
    /// Whose it is.
    owner: Owner,
}

/// One user under its name.
#[derive(Serialize, ToSchema)]
pub(super) struct OneUser {
    /// The user.
    pub(super) user: User,
}

/// Regions under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct Regions {
    /// All there are.
    pub(super) regions: [Region; 1],
}

/// One key under its name.
#[derive(Serialize, ToSchema)]
pub(super) struct OneKey {
    /// The key.
    pub(super) key: Key,
}

/// Keys under their name.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    /// Oldest first.
    pub(super) keys: Vec<Key>,
}

/// A key to be stored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(super) struct NewKey {
    /// What to call it.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// As in `authorized_keys`, on one line without options.
    #[schema(format = "ssh-public-key", min_length = 30, max_length = 8192)]
    content: String,
}

/// A key to be stored, under its name; the inner object alone is taken, too.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(super) struct NewKeyBody {
    /// The key.
    key: NewKey,
}

fn user_id(id: UserId) -> String {
    format!("us-{id}")
}

impl From<Member> for User {
    fn from(member: Member) -> Self {
        let Member { id, name, email, fullname } = member;
        Self { id: user_id(id), username: name, fullname, email, flags: Flags {} }
    }
}

impl From<&Member> for Owner {
    fn from(member: &Member) -> Self {
        Self { id: user_id(member.id), email: member.email.clone(), username: member.name.clone() }
    }
}

impl Key {
    pub(super) fn new(key: SshKey, owner: &Owner) -> Self {
        let SshKey { id, member: _, name, content, fingerprint, md5_fingerprint, created_at } = key;
        Self {
            id: id.to_string(),
            name,
            content,
            fingerprint: md5_fingerprint,
            fingerprint_sha256: fingerprint,
            created_at: time(created_at),
            owner: owner.clone(),
        }
    }
}

/// RFC 3339 in UTC with three decimals; empty outside of the years 0001 to 9999, where nothing was made.
pub(super) fn time(at: Instant) -> String {
    timestamp(at).with_millis().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_three_decimals() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (1_772_442_900_412_000, "2026-03-02T09:15:00.412Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
            (-1_000, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(time(Instant(micros)), text);
        }
    }
}
