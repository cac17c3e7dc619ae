//! Texts that people read, and ids that they send.
use crate::error::{Error, Result};

/// Checks a text that people read: no control characters.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) on `field`.
pub fn plain_text(field: &str, text: String, longest: usize) -> Result<String> {
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "sealink.text", "value must not contain control characters"));
    }
    if text.chars().count() > longest {
        let message = format!("value length must be at most {longest} characters");
        return Err(Error::invalid(field, "string.max_len", message));
    }
    Ok(text)
}
