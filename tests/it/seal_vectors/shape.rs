//! The files' shape, for every language that reads them.
use serde::{Deserialize, Serialize};

/// One file: a key and what was sealed to it.
#[derive(Serialize, Deserialize)]
pub(super) struct Vectors {
    /// What made the file.
    pub(super) sealed_by: String,
    /// The key.
    pub(super) key: Key,
    /// What opens.
    pub(super) good: Vec<Good>,
    /// What must not.
    pub(super) bad: Vec<Bad>,
}

/// A key of `tests/vectors/keys`.
#[derive(Serialize, Deserialize)]
pub(super) struct Key {
    /// Name of the file in `tests/vectors/keys`, without `.pem`.
    pub(super) file: String,
    pub(super) kid: String,
    pub(super) fingerprint: String,
}

/// A place, as text.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Spot {
    pub(super) runner: String,
    pub(super) sub: String,
    pub(super) field: String,
    pub(super) a: String,
    pub(super) b: String,
    pub(super) c: String,
}

/// Ciphertext: a token as it is, a box in hexadecimal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoded {
    Token(String),
    Hex(String),
}

/// The random bytes of one ciphertext, in hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Random {
    Jwe { cek: String, iv: String, oaep_seed: String },
    Box { ephemeral: String },
}

/// Something that opens.
#[derive(Serialize, Deserialize)]
pub(super) struct Good {
    pub(super) name: String,
    pub(super) place: Spot,
    pub(super) secret: String,
    /// Absent where another library drew them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) random: Option<Random>,
    pub(super) sealed: Encoded,
}

/// Something that must not open.
#[derive(Serialize, Deserialize)]
pub(super) struct Bad {
    pub(super) name: String,
    /// The place it is presented for.
    pub(super) place: Spot,
    /// The kid the row names, if not the file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
    /// Presented as a registration challenge instead of a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) challenge: bool,
    pub(super) sealed: Encoded,
    /// `unknown_kid`, `undecryptable` or `rejected:` and the reason.
    pub(super) failure: String,
    /// Whether every opener must refuse it that allows only `RSA-OAEP-256` and `A256GCM`; the others are
    /// refused by Sealink's own rules.
    pub(super) any_opener: bool,
}

/// The file of public keys.
#[derive(Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) accepted: Vec<Accepted>,
    pub(super) refused: Vec<Refused>,
}

/// A key that is accepted: SPKI DER or 32 raw bytes, in hexadecimal.
#[derive(Serialize, Deserialize)]
pub(super) struct Accepted {
    pub(super) name: String,
    pub(super) public_key: String,
    pub(super) kid: String,
    pub(super) fingerprint: String,
}

/// A key that is refused, with words of the refusal.
#[derive(Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) name: String,
    pub(super) public_key: String,
    pub(super) failure: String,
}
