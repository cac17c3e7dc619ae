//! A bearer token in this process's hands.
use std::fmt;

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// A bearer or exchange token: never printed, wiped when dropped.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token as a file or a variable holds it: white space around it is dropped, `origin` says
    /// where it came from.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if nothing is left, or if it has characters no token has.
    pub fn parse(origin: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::new(Kind::Invalid, format!("{origin} holds no token")));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(Kind::Invalid, format!("{origin} holds something that is not a token")));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn header(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("Bearer {}", self.expose()));
        // Graphic ASCII is always a valid header value.
        let mut header = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        header.set_sensitive(true);
        header
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
