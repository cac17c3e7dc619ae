//! Where browsers and forges reach the server.
use std::net::SocketAddr;

use url::Url;

use crate::error::{Error, Kind, Result};

/// An origin, perhaps with a path, without a slash at its end: `https://sealink.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Reads the setting.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for anything but `http(s)://host[:port][/path]`.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || Error::new(Kind::Invalid, "server.public_url: must be http(s)://host[:port][/path]");
        let url = Url::parse(text).map_err(|_| refuse())?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(Self(url.as_str().trim_end_matches('/').to_owned())) } else { Err(refuse()) }
    }

    /// Where a server is that nobody has given another name.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self(format!("http://{address}"))
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The URL itself, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name or address in it, without a port.
    #[must_use]
    pub fn host(&self) -> String {
        Url::parse(&self.0).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether browsers reach it over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_without_secrets_or_extras_pass() {
        for (text, root) in [
            ("https://sealink.example.com", "https://sealink.example.com/x"),
            ("http://10.0.0.1:7400/", "http://10.0.0.1:7400/x"),
            ("https://example.com/sealink/", "https://example.com/sealink/x"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().join("/x"), root);
        }
        for text in ["", "sealink", "ftp://x", "https://u@x", "https://u:p@x", "https://x?q", "https://x#f"] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }
}
