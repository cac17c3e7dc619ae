//! The OAuth issuer of an integration: an https URL with a host name.
use url::{Host, Url};

use super::host::leads_here;
use crate::error::{Error, Result};

const FIELD: &str = "issuer_url";

/// An issuer URL that was accepted, kept and sealed exactly as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// Accepts an issuer.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `issuer_url`: not an absolute https URL with a host
    /// name, or with user, query or fragment, or longer than 2,048 bytes.
    pub fn parse(text: String) -> Result<Self> {
        https_url(FIELD, "sealink.issuer_url", text).map(Self)
    }

    /// As stored: for records that were accepted before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The URL as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Accepts an absolute https URL with a host name, exactly as sent.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) on `field`, as [`IssuerUrl::parse`].
pub(super) fn https_url(field: &str, rule: &'static str, text: String) -> Result<String> {
    let refuse = |message| Err(Error::invalid(field, rule, message));
    if text.len() > 2_048 {
        return refuse("value must be at most 2048 bytes");
    }
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let Ok(url) = Url::parse(&text) else { return refuse("value must be an absolute https URL") };
    if !printable || url.scheme() != "https" || !text.starts_with("https://") {
        return refuse("value must be an absolute https URL");
    }
    let bare = url.username().is_empty() && url.password().is_none() && !text.contains('@');
    if !bare || text.contains(['?', '#']) {
        return refuse("value must not have a user, query or fragment");
    }
    let authority = text["https://".len()..].split('/').next().unwrap_or_default();
    let name = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match url.host() {
        Some(Host::Domain(domain)) if leads_here(domain) || url.port() == Some(0) => {
            refuse("value must not lead to this machine or a metadata service")
        }
        Some(Host::Domain(domain)) if domain == name && !domain.ends_with('.') => Ok(text),
        _ => refuse("value must name its host by a plain DNS name"),
    }
}
