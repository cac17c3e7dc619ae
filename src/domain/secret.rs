//! Secrets are types: they print nothing and are wiped when dropped.
use std::fmt;

use zeroize::Zeroizing;

use crate::{
    domain::text::plain_text,
    error::{Error, Result},
};

/// How long a secret may be, in bytes, where its field does not say otherwise.
pub const MAX_SECRET_BYTES: usize = 4_096;
/// How long a credential at a forge may be, in bytes: some forges issue signed tokens.
pub const MAX_HOST_TOKEN_BYTES: usize = 8_192;

/// No name of a key is longer.
const LONGEST_KID: usize = 64;

/// Secret text as a request sent it, not yet checked. Cannot be cloned, printed or compared; wiped when
/// dropped.
pub struct Plaintext(Zeroizing<String>);

impl Plaintext {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks it as the secret in a request's `field`.
    ///
    /// # Errors
    /// As [`Secret::parse`].
    pub fn parse(self, field: &str) -> Result<Secret> {
        self.parse_up_to(MAX_SECRET_BYTES, field)
    }

    /// Checks it as a secret of at most `longest` bytes.
    ///
    /// # Errors
    /// As [`Secret::parse`].
    pub fn parse_up_to(mut self, longest: usize, field: &str) -> Result<Secret> {
        Secret::parse_up_to(longest, field, std::mem::take(&mut *self.0))
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext(..)")
    }
}

/// A plaintext secret on its way to be sealed. Cannot be cloned, printed or compared.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret from a request's `field`: 1 to 4,096 bytes, no control characters (C0, DEL, C1), no
    /// white space at either end (a pasted newline is the usual culprit).
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the field, never the value.
    pub fn parse(field: &str, value: String) -> Result<Self> {
        Self::parse_up_to(MAX_SECRET_BYTES, field, value)
    }

    /// The same for a field whose secrets have at most `longest` bytes.
    ///
    /// # Errors
    /// As [`Secret::parse`].
    pub fn parse_up_to(longest: usize, field: &str, value: String) -> Result<Self> {
        let value = Zeroizing::new(value);
        let refuse = |message| Err(Error::invalid(field, "sealink.secret", message));
        if value.is_empty() {
            return refuse("value must not be empty");
        }
        if value.len() > longest {
            let message = format!("value must be at most {longest} bytes");
            return Err(Error::invalid(field, "sealink.secret", message));
        }
        if value.chars().any(char::is_control) {
            return refuse("value must not contain control characters such as a newline");
        }
        if value.trim().len() != value.len() {
            return refuse("value must not start or end with white space");
        }
        Ok(Self(value))
    }

    /// The secret itself, for sealing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What an update does to a secret.
#[derive(Debug, Default)]
pub enum SecretPatch {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(Secret),
}

impl SecretPatch {
    /// Reads a secret member: absent keeps, empty removes, anything else must be a valid secret.
    ///
    /// # Errors
    /// As [`Secret::parse`].
    pub fn parse(field: &str, value: Option<Plaintext>) -> Result<Self> {
        Self::parse_up_to(MAX_SECRET_BYTES, field, value)
    }

    /// The same for a field whose secrets have at most `longest` bytes.
    ///
    /// # Errors
    /// As [`Secret::parse`].
    pub fn parse_up_to(longest: usize, field: &str, value: Option<Plaintext>) -> Result<Self> {
        match value {
            None => Ok(Self::Keep),
            Some(text) if text.is_empty() => Ok(Self::Remove),
            Some(text) => text.parse_up_to(longest, field).map(Self::Set),
        }
    }
}

/// The thumbprint of a runner's public key (RFC 7638), base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Kid(pub String);

impl Kid {
    /// A name that somebody sent: whether there is such a key is for the store to say.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `field` for what no key's name can be.
    pub fn parse(field: &str, text: String) -> Result<Self> {
        plain_text(field, text, LONGEST_KID).map(Self)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A sealed secret: the ciphertext and the key that opens it. Only [`crate::seal`] makes new ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The ciphertext, as the runner gets it.
    pub bytes: Vec<u8>,
    /// The key it is sealed with.
    pub kid: Kid,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes, {})", self.bytes.len(), self.kid)
    }
}
