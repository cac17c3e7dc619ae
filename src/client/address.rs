//! Where a server is.
use std::fmt;

use url::{Host, Url};

use crate::error::{Error, Result};

/// The base URL of a server, without a slash at its end: `http://127.0.0.1:7400` or with `/api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server(Url);

impl Server {
    /// Where `sealink serve` listens unless told otherwise.
    pub const DEFAULT: &'static str = "http://127.0.0.1:7400";

    /// Reads a base URL: `http` or `https`, with or without a path (usually `/api`) and a slash at the end.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for anything else; a user name or password in it too.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || {
            let message = format!("value must be a URL such as {}", Self::DEFAULT);
            Error::invalid("server", "sealink.url", message)
        };
        let mut url = Url::parse(text.trim()).map_err(|_| refuse())?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            return Err(refuse());
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Whether the server runs on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether both are the same server, whatever the path.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The URL that paths of the REST API follow, which stands beside `/api` and not below it.
    pub(super) fn rest(&self) -> Url {
        let mut url = self.0.clone();
        let base = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{}/v1", base.strip_suffix("/api").unwrap_or(base)));
        url
    }

    /// The URL of an RPC; `path` starts with a slash.
    pub(super) fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn slash_and_api_are_optional() {
        for (given, called) in [
            ("http://127.0.0.1:7400", "http://127.0.0.1:7400/a.B/C"),
            ("http://127.0.0.1:7400/", "http://127.0.0.1:7400/a.B/C"),
            ("http://127.0.0.1:7400/api", "http://127.0.0.1:7400/api/a.B/C"),
            ("https://sealink.example.com/api/", "https://sealink.example.com/api/a.B/C"),
        ] {
            let server = Server::parse(given).unwrap();
            assert_eq!(server.at("/a.B/C").as_str(), called);
            let root = called.split("/a.B").next().unwrap().trim_end_matches("/api");
            assert_eq!(server.rest().as_str(), format!("{root}/v1"));
        }
    }

    #[test]
    fn a_path_does_not_make_another_server() {
        let [bare, api, other] =
            ["http://h:1", "http://h:1/api", "http://h:2"].map(|u| Server::parse(u).unwrap());
        assert!(bare.is_same(&api));
        assert!(!bare.is_same(&other));
        assert_eq!(bare.to_string(), "http://h:1");
    }

    #[test]
    fn only_this_machine_is_local() {
        for (url, local) in [
            ("http://127.0.0.1:7400", true),
            ("http://localhost:7400", true),
            ("http://[::1]:7400", true),
            ("http://10.0.0.1:7400", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(Server::parse(url).unwrap().is_local(), local, "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_base_url() {
        for text in ["", "localhost:7400", "ftp://h", "http://", "http://user:pw@h", "sealink"] {
            let error = Server::parse(text).unwrap_err().to_string();
            assert!(error.contains("http://127.0.0.1:7400"), "{text}: {error}");
            assert!(!error.contains("pw"));
        }
    }
}
