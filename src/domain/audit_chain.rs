//! The chain over an organization's audit log: what a MAC covers, and what is wrong with a chain that does not
//! verify. The MAC itself is the service's, which has the key.
use std::fmt;

use uuid::Uuid;

use crate::{
    clock::Instant,
    domain::id::OrganizationId,
    error::{Error, Result},
};

/// HMAC-SHA-256.
pub const MAC_BYTES: usize = 32;
/// How many entries are verified or exported by one request.
pub const STRETCH: u16 = 1_000;

/// Begins what every MAC covers, so that no other use of the key gives one.
const CONTEXT: &[u8] = b"sealink/audit-chain/v1";

/// The MAC of one link.
pub type Mac = [u8; MAC_BYTES];

/// One entry of the audit log as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its id, which orders the list.
    pub id: Uuid,
    /// When the change was made.
    pub at: Instant,
    /// `user`, `runner` or `server`.
    pub actor_kind: String,
    /// The user's or runner's id; nil for the server.
    pub actor_id: Uuid,
    /// The token used; empty for the server.
    pub token: String,
    /// What was done.
    pub action: String,
    /// The id of what it was done to.
    pub object: String,
    /// What else is worth knowing: a JSON object as text.
    pub details: String,
}

/// The place of an entry in its organization's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Counts from 1 without gaps.
    pub sequence: u64,
    /// The seed of the keyring that the MAC's key comes from.
    pub key_id: u32,
    /// Over the entry, its place, and the MAC before it; as stored, so of any length.
    pub mac: Vec<u8>,
}

/// A point of a chain: how long it is up to there, and its MAC there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub count: u64,
    /// The MAC of the last of them; zeros before the first.
    pub mac: Mac,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The entry, its place or its MAC is not what was chained.
    Changed,
    /// The entry is gone.
    Removed,
    /// The link is gone.
    Gap,
    /// The chain does not lead through a head that it once had.
    Cut,
    /// There are entries outside of the chain that do not wait for it, or some that wait are gone.
    Stray,
    /// The keyring has no seed of the number that the link names.
    UnknownKey,
}

/// The first place where a chain does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// Where; `None` if it has no place.
    pub sequence: Option<u64>,
}

/// What one request of a verification found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// How far the chain is known to be whole.
    pub head: Head,
    /// How long the chain is at the moment.
    pub count: u64,
    /// Whether nothing is left to verify.
    pub done: bool,
    /// What is wrong, if anything is.
    pub finding: Option<Finding>,
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self { count: 0, mac: [0; MAC_BYTES] };

    /// Reads a head from a request's `field`: a count, and the MAC as 64 hexadecimal digits, which is empty
    /// for the count 0.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for anything else.
    pub fn parse(field: &str, count: i64, mac: &str) -> Result<Self> {
        let refuse = |member: &str, message| {
            Err(Error::invalid(format!("{field}.{member}"), "sealink.audit_head", message))
        };
        let Ok(count) = u64::try_from(count) else {
            return refuse("count", "value must be 0 or more");
        };
        match (count, mac) {
            (0, "") => Ok(Self::START),
            _ => match parse_mac(mac) {
                Some(mac) if count > 0 => Ok(Self { count, mac }),
                _ => refuse("mac", "value must be 64 hexadecimal digits, or empty for the count 0"),
            },
        }
    }

    /// The MAC as it is shown: empty before the first entry.
    #[must_use]
    pub fn mac_text(&self) -> String {
        if self.count == 0 { String::new() } else { hex::encode(self.mac) }
    }
}

fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; MAC_BYTES];
    hex::decode_to_slice(text, &mut mac).ok()?;
    Some(mac)
}

/// Everything the MAC of link `sequence` covers, as one unambiguous string of bytes: every field of the entry,
/// where it belongs, the key, and the MAC before it.
#[must_use]
pub fn covered(
    organization: OrganizationId,
    entry: &StoredEntry,
    (sequence, key_id): (u64, u32),
    previous: &Mac,
) -> Vec<u8> {
    let StoredEntry { id, at, actor_kind, actor_id, token, action, object, details } = entry;
    let (sequence, key_id, at) = (sequence.to_be_bytes(), key_id.to_be_bytes(), at.0.to_be_bytes());
    let mut bytes = Vec::with_capacity(256 + details.len());
    for element in [
        CONTEXT,
        organization.0.as_bytes(),
        &sequence,
        &key_id,
        previous,
        id.as_bytes(),
        &at,
        actor_kind.as_bytes(),
        actor_id.as_bytes(),
        token.as_bytes(),
        action.as_bytes(),
        object.as_bytes(),
        details.as_bytes(),
    ] {
        bytes.extend_from_slice(&(element.len() as u64).to_be_bytes());
        bytes.extend_from_slice(element);
    }
    bytes
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.fault {
            Fault::Changed => "is not what was chained: it, its place or its MAC was changed",
            Fault::Removed => "is gone from the log",
            Fault::Gap => "is gone from the chain",
            Fault::Cut => "is not the head that was kept: the end of the log was cut off or written anew",
            Fault::Stray => return f.write_str("entries were added or removed outside of the chain"),
            Fault::UnknownKey => "names a key that the keyring does not have",
        };
        write!(f, "entry {} {text}", self.sequence.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> StoredEntry {
        StoredEntry {
            id: Uuid::from_u128(1),
            at: Instant(2),
            actor_kind: "user".into(),
            actor_id: Uuid::from_u128(3),
            token: "token".into(),
            action: "runner.create".into(),
            object: "object".into(),
            details: "{}".into(),
        }
    }

    /// Each change gives other bytes, so no field can be left out and no two can run into each other.
    #[test]
    fn every_field_is_covered_and_has_its_own_place() {
        let organization = OrganizationId(Uuid::from_u128(9));
        let of = |entry: &StoredEntry| covered(organization, entry, (1, 1), &[0; MAC_BYTES]);
        let changes: [fn(&mut StoredEntry); 9] = [
            |entry| entry.id = Uuid::from_u128(4),
            |entry| entry.at = Instant(3),
            |entry| entry.actor_kind = "runner".into(),
            |entry| entry.actor_id = Uuid::from_u128(4),
            |entry| entry.token = "tokeN".into(),
            |entry| entry.action = "runner.delete".into(),
            |entry| entry.object = "objecT".into(),
            |entry| entry.details = "{ }".into(),
            |entry| (entry.action, entry.object) = ("runner.createo".into(), "bject".into()),
        ];
        let mut seen = vec![of(&entry())];
        for change in changes {
            let mut other = entry();
            change(&mut other);
            seen.push(of(&other));
        }
        seen.push(covered(OrganizationId(Uuid::nil()), &entry(), (1, 1), &[0; MAC_BYTES]));
        seen.push(covered(organization, &entry(), (2, 1), &[0; MAC_BYTES]));
        seen.push(covered(organization, &entry(), (1, 2), &[0; MAC_BYTES]));
        seen.push(covered(organization, &entry(), (1, 1), &[1; MAC_BYTES]));
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn heads_are_read_as_they_are_shown() {
        let head = Head { count: 3, mac: [0xa5; MAC_BYTES] };
        assert_eq!(Head::parse("after", 3, &head.mac_text()).unwrap(), head);
        assert_eq!(Head::parse("after", 3, &head.mac_text().to_uppercase()).unwrap(), head);
        assert_eq!(Head::parse("after", 0, "").unwrap(), Head::START);
        assert_eq!(Head::START.mac_text(), "");
        for (count, mac, field) in [
            (-1, "", "after.count"),
            (1, "", "after.mac"),
            (0, "00", "after.mac"),
            (1, "g", "after.mac"),
            (0, &"0".repeat(64), "after.mac"),
            (1, &"\u{e9}".repeat(32), "after.mac"),
        ] {
            let error = Head::parse("after", count, mac).unwrap_err();
            assert_eq!(error.violations()[0].field, field, "{count} {mac}");
        }
    }
}
