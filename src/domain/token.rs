//! API tokens: `sealink_<kind>_<12 base62 id>_<43 base62 secret><6 base62 CRC-32>`.
//!
//! The secret is 256 random bits, so a plain SHA-256 of it is all that is stored. The checksum lets a
//! scanner or a client reject a typing error without asking the server.
use std::{fmt, time::Duration};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    clock::Instant,
    domain::{
        id::{RunnerId, UserId},
        text::plain_text,
    },
    error::Result,
};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Of an id that somebody sent; a few more than it has.
const LONGEST_ID: usize = 64;
const ID_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// How long an exchange token can be exchanged.
pub const EXCHANGE_LIFE: Duration = Duration::from_hours(24);
/// How long a personal access token lives unless its creator says otherwise.
pub const PERSONAL_LIFE: Duration = Duration::from_hours(30 * 24);
/// How long a personal access token may live at most.
pub const PERSONAL_LIFE_MAX: Duration = Duration::from_hours(90 * 24);

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Deserialize)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenKind {
    /// The administrator's token of the first start.
    Admin,
    /// A person's token.
    Personal,
    /// A service account's token.
    ServiceAccount,
    /// A runner's access token.
    Runner,
    /// Exchanged once for a runner's access token.
    Exchange,
}

impl TokenKind {
    const ALL: [Self; 5] = [Self::Admin, Self::Personal, Self::ServiceAccount, Self::Runner, Self::Exchange];

    const fn tag(self) -> &'static str {
        match self {
            Self::Admin => "adm",
            Self::Personal => "pat",
            Self::ServiceAccount => "sat",
            Self::Runner => "run",
            Self::Exchange => "exc",
        }
    }
}

/// The public part of a token: names its row, opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sqlx::Type, Deserialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct TokenId(pub String);

impl TokenId {
    /// An id that somebody sent: whether there is such a token is for the store to say.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `field` for what no token's id can be.
    pub fn parse(field: &str, text: String) -> Result<Self> {
        plain_text(field, text, LONGEST_ID).map(Self)
    }

    /// The row of the token that `SEALINK_ADMIN_TOKEN` presets: as long as every id, and never one of them.
    #[must_use]
    pub fn preset() -> Self {
        Self("preset-admin".to_owned())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token as lists show it.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// Its public id.
    pub id: TokenId,
    /// Its place in lists.
    pub order: Uuid,
    /// What it is for.
    pub kind: TokenKind,
    /// The user or the service account it acts as.
    pub member: Option<UserId>,
    /// The runner it acts as.
    pub runner: Option<RunnerId>,
    /// What its creator says it is for.
    pub description: String,
    /// Whether it only reads.
    pub read_only: bool,
    /// When it was created.
    pub created_at: Instant,
    /// When it ends.
    pub expires_at: Option<Instant>,
    /// When it was last used, exact to an hour.
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

/// SHA-256 of a token's secret: what is stored and compared.
pub type TokenHash = [u8; 32];

/// A fresh token: its text, shown once, and what is kept of it.
pub struct NewToken {
    /// What the client sends.
    pub text: Zeroizing<String>,
    /// What it is for.
    pub kind: TokenKind,
    /// Its row.
    pub id: TokenId,
    /// What is stored instead of the secret.
    pub hash: TokenHash,
}

impl NewToken {
    /// Makes a token of `kind` from 44 random bytes: 32 for the secret, 12 for the id.
    #[must_use]
    pub fn new(kind: TokenKind, random: &[u8; 44]) -> Self {
        let id: String =
            random[32..].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % 62])).collect();
        let secret = Zeroizing::new(base62(&random[..32], SECRET_LENGTH));
        let mut text = Zeroizing::new(format!("sealink_{}_{id}_{}", kind.tag(), *secret));
        let checksum = crc32fast::hash(text.as_bytes()).to_be_bytes();
        text.push_str(&base62(&checksum, CHECKSUM_LENGTH));
        Self { hash: hash(secret.as_bytes()), text, kind, id: TokenId(id) }
    }
}

/// A token as a client sent it, not yet looked up.
pub struct Credential {
    /// The row to look up.
    pub id: TokenId,
    /// What that row's hash must equal.
    pub hash: TokenHash,
    text: Zeroizing<String>,
}

impl Credential {
    /// Reads a bearer token. Text that is not in the tokens' own format can only be the preset
    /// administrator token, whose whole text is hashed. `None`: neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::generated(text).or_else(|| is_presettable(text).then(|| Self::preset(text)))
    }

    fn generated(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("sealink_")?;
        let mut parts = rest.splitn(3, '_');
        let (tag, id, tail) = (parts.next()?, parts.next()?, parts.next()?);
        let known = TokenKind::ALL.iter().any(|kind| kind.tag() == tag);
        let base62 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !known || id.len() != ID_LENGTH || tail.len() != SECRET_LENGTH + CHECKSUM_LENGTH {
            return None;
        }
        if !base62(id) || !base62(tail) {
            return None;
        }
        let (signed, checksum) = text.split_at(text.len() - CHECKSUM_LENGTH);
        let expected = self::base62(&crc32fast::hash(signed.as_bytes()).to_be_bytes(), CHECKSUM_LENGTH);
        (checksum == expected).then(|| Self {
            id: TokenId(id.to_owned()),
            hash: hash(&tail.as_bytes()[..SECRET_LENGTH]),
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// The same text as a preset token: an operator may preset one that another server made.
    #[must_use]
    pub fn as_preset(&self) -> Self {
        Self::preset(&self.text)
    }

    /// The credential of the preset administrator token `text`.
    #[must_use]
    pub fn preset(text: &str) -> Self {
        let text = Zeroizing::new(text.to_owned());
        Self { id: TokenId::preset(), hash: hash(text.as_bytes()), text }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.id)
    }
}

/// Whether `text` may preset the administrator token: 32 to 200 printable ASCII characters.
#[must_use]
pub fn is_presettable(text: &str) -> bool {
    (32..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn hash(bytes: &[u8]) -> TokenHash {
    Sha256::digest(bytes).into()
}

/// `bytes` as one big-endian number in base 62, padded with `0` to `length` digits.
fn base62(bytes: &[u8], length: usize) -> String {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let value = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        *digit = ALPHABET[rest as usize];
    }
    digits.into_iter().map(char::from).collect()
}
