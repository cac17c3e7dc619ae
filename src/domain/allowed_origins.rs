//! Origins that an operator allows although a rule refuses them.
use url::Url;

/// Origins such as `http://127.0.0.1:3000`, each allowed for exactly its scheme, host and port.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<AllowedOrigin>);

#[derive(Clone, Debug)]
struct AllowedOrigin {
    url: Url,
    /// Host and port as the operator wrote them, in lower case.
    authority: String,
}

impl AllowedOrigins {
    /// Reads each as `http(s)://host[:port]`; `None` if one is anything else.
    #[must_use]
    pub fn parse(origins: &[impl AsRef<str>]) -> Option<Self> {
        origins.iter().map(|text| AllowedOrigin::parse(text.as_ref())).collect::<Option<_>>().map(Self)
    }

    /// Whether a URL is of one of them.
    #[must_use]
    pub fn hold(&self, url: &Url) -> bool {
        self.0.iter().any(|one| one.url.origin() == url.origin())
    }

    /// Whether a host, with its port, is that of one of them, whatever the scheme.
    #[must_use]
    pub fn hold_host(&self, authority: &str) -> bool {
        self.0.iter().any(|one| one.authority.eq_ignore_ascii_case(authority))
    }

    /// Whether any of them speaks TLS.
    #[must_use]
    pub fn any_tls(&self) -> bool {
        self.0.iter().any(|one| one.url.scheme() == "https")
    }
}

impl AllowedOrigin {
    fn parse(text: &str) -> Option<Self> {
        let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let plain = !authority.is_empty() && !authority.contains(['/', '\\', '?', '#', '@']);
        let url = Url::parse(text).ok().filter(|url| plain && url.has_host())?;
        Some(Self { url, authority: authority.to_ascii_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for text in [
            "127.0.0.1:3000",
            "http://h/path",
            "http://h//",
            "http://h?x",
            "http://h#x",
            "http://u@h",
            "ftp://h",
            "http://",
            "http:///",
            "",
        ] {
            assert!(AllowedOrigins::parse(&[text]).is_none(), "{text}");
        }
    }

    #[test]
    fn hosts_are_compared_as_they_were_written() {
        let allowed = AllowedOrigins::parse(&["http://127.0.0.1:3000", "https://Git.Example.com/"]).unwrap();
        for (host, held) in [
            ("127.0.0.1:3000", true),
            ("git.example.COM", true),
            ("127.0.0.1", false),
            ("127.1:3000", false),
            ("git.example.com:443", false),
        ] {
            assert_eq!(allowed.hold_host(host), held, "{host}");
        }
        let hold = |text| allowed.hold(&Url::parse(text).unwrap());
        assert!(hold("https://git.example.com:443/path") && !hold("http://git.example.com"));
        assert!(allowed.any_tls() && !AllowedOrigins::default().any_tls());
    }
}
