//! Which origins may be asked: what the operator says, and what addresses say of themselves.
use std::{fmt, net::IpAddr, sync::Arc};

use url::{Host, Url};

use super::{
    CheckedResolver,
    own::is_own,
    resolver::{Names, Resolve},
};
use crate::domain::{allowed_origins::AllowedOrigins, host::is_local_address, network::Network};

/// Scheme, host and port of a forge that may be asked. Only [`Policy::origin`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    url: Url,
    allowed: bool,
}

impl Origin {
    /// The URL of a path at this origin; `segments` are encoded.
    #[must_use]
    pub fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }

    /// The origin as text, without a slash at its end: `https://github.com`.
    #[must_use]
    pub fn as_text(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// Whether the operator named this origin, which lifts the rules about https and this machine.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Whether a URL is of this origin.
    #[must_use]
    pub fn holds(&self, url: &Url) -> bool {
        url.origin() == self.url.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_text())
    }
}

/// Which origins and networks the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allowed: AllowedOrigins,
    networks: Networks,
    names: Names,
}

/// In which networks forges may be.
#[derive(Clone, Debug, Default)]
pub(super) enum Networks {
    /// In all, also in private ones.
    #[default]
    All,
    /// In the public one, and in these.
    Public(Arc<[Network]>),
}

impl Networks {
    /// Whether a forge may be there; this machine never counts.
    pub(super) fn hold(&self, address: IpAddr) -> bool {
        let private = || match self {
            Self::All => false,
            Self::Public(networks) => {
                Network::is_private(address) && !networks.iter().any(|network| network.holds(address))
            }
        };
        !is_local_address(address) && !private()
    }
}

/// Whether an address is no forge's, or whatever listens there is this machine.
fn is_here(address: IpAddr) -> bool {
    is_local_address(address) || is_own(address)
}

impl Policy {
    /// Any network, and the origins that the operator allows.
    #[must_use]
    pub fn new(allowed: AllowedOrigins) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// The same, but of private networks only these.
    #[must_use]
    pub fn with_networks(self, networks: Vec<Network>) -> Self {
        Self { networks: Networks::Public(networks.into()), ..self }
    }

    /// The same, but `names` says where names lead, not this machine. What it says is checked alike.
    #[must_use]
    pub fn with_names(self, names: Arc<dyn Resolve>) -> Self {
        Self { names: Names(names), ..self }
    }

    /// An origin that somebody typed: `https`, at a name or an address in an allowed network, or exactly one that the
    /// operator allows.
    ///
    /// # Errors
    /// The sentence of a refusal.
    pub fn of_origin(&self, text: &str) -> std::result::Result<Origin, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be the address of a forge")?;
        if self.allowed.hold(&url) {
            return Ok(Origin { url, allowed: true });
        }
        if url.scheme() != "https" {
            return Err(
                "must begin with https://, unless the operator allows this address in scm.allowed_origins",
            );
        }
        let listed = |address: IpAddr| match &self.networks {
            Networks::All => !is_here(address),
            Networks::Public(networks) => {
                !is_here(address) && networks.iter().any(|network| network.holds(address))
            }
        };
        let fine = match url.host() {
            Some(Host::Ipv4(address)) => listed(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => listed(IpAddr::V6(address)),
            Some(Host::Domain(name)) => {
                name != "localhost" && !name.ends_with(".localhost") && !name.ends_with('.')
            }
            None => false,
        };
        if !fine || url.port() == Some(22) {
            return Err(
                "must have a name, or an address in a network that the operator allows in scm.allowed_cidrs",
            );
        }
        Ok(Origin { url, allowed: false })
    }

    /// The resolver of connections; `loopback` for those to origins that the operator named.
    #[must_use]
    pub fn resolver(&self, loopback: bool) -> Arc<CheckedResolver> {
        Arc::new(CheckedResolver::new(loopback, self.networks.clone(), self.names.clone()))
    }

    /// Whether any allowed origin speaks TLS.
    #[must_use]
    pub fn allows_tls(&self) -> bool {
        self.allowed.any_tls()
    }

    /// The origin of an integration's host: `https`, unless the operator allows `http` for exactly this host
    /// and port. An organization behind the host does not count.
    ///
    /// # Errors
    /// The sentence of a refusal: not a host, or one that leads to this machine or a metadata service.
    pub fn origin(&self, host: &str) -> std::result::Result<Origin, &'static str> {
        let authority = host.split_once('/').map_or(host, |(authority, _)| authority);
        let odd = |letter: char| letter.is_control() || letter.is_whitespace() || "@\\?#/".contains(letter);
        let https = Url::parse(&format!("https://{authority}")).ok().filter(|_| !authority.contains(odd));
        let https = https.filter(Url::has_host).ok_or("the integration's host is not a host name")?;
        let http = Url::parse(&format!("http://{authority}")).ok();
        let allowed = |url: &Url| self.allowed.hold(url);
        if let Some(url) = http.into_iter().chain([https.clone()]).find(allowed) {
            return Ok(Origin { url, allowed: true });
        }
        let local = match https.host() {
            Some(Host::Ipv4(address)) => is_here(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => is_here(IpAddr::V6(address)),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => true,
        };
        if local {
            return Err(
                "the integration's host leads to this machine; if that is meant, the agent's operator must allow its \
                 origin",
            );
        }
        Ok(Origin { url: https, allowed: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(origins: &[&str]) -> Policy {
        Policy::new(AllowedOrigins::parse(origins).unwrap())
    }

    #[test]
    fn hosts_of_integrations_become_https_origins() {
        let policy = policy(&[]);
        for (host, origin) in [
            ("github.com", "https://github.com"),
            ("Git.Example.com:8443", "https://git.example.com:8443"),
            ("dev.azure.com/contoso", "https://dev.azure.com"),
            ("10.1.2.3:3000", "https://10.1.2.3:3000"),
            ("192.168.1.1", "https://192.168.1.1"),
            ("[fd00::1]:3000", "https://[fd00::1]:3000"),
        ] {
            assert_eq!(policy.origin(host).unwrap().as_text(), origin, "{host}");
        }
    }

    #[test]
    fn this_machine_and_metadata_are_refused() {
        for host in [
            "localhost",
            "a.localhost:3000",
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0.0.0.0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "169.254.169.254",
            "[::ffff:a9fe:a9fe]",
            "[fe80::1]",
            "100.100.100.200",
            "168.63.129.16",
            "[fd00:ec2::254]",
            "224.0.0.1",
            "255.255.255.255",
            "",
            "u@h",
            "h?x",
            "h#x",
            "h\\x",
            "a b",
        ] {
            assert!(policy(&[]).origin(host).is_err(), "{host}");
        }
    }

    #[test]
    fn only_the_exact_origin_is_allowed() {
        let policy = policy(&["http://127.0.0.1:3000", "https://localhost:8443/"]);
        let allowed = policy.origin("127.0.0.1:3000").unwrap();
        assert_eq!((allowed.as_text().as_str(), allowed.is_allowed()), ("http://127.0.0.1:3000", true));
        assert_eq!(policy.origin("localhost:8443").unwrap().as_text(), "https://localhost:8443");
        for host in ["127.0.0.1", "127.0.0.1:3001", "127.0.0.2:3000", "localhost", "localhost:3000"] {
            assert!(policy.origin(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_path_cannot_leave_its_origin() {
        let origin = policy(&[]).origin("git.example.com").unwrap();
        let url = origin.at(&["repos", "a/b", "..", "//evil.example", "x?y#z"]);
        assert!(origin.holds(&url) && url.query().is_none(), "{url}");
        assert!(url.as_str().starts_with("https://git.example.com/repos/a%2Fb/"), "{url}");
        for other in ["https://git.example.com:444/", "http://git.example.com/", "https://u@git.example.com/"]
        {
            assert!(!origin.holds(&Url::parse(other).unwrap()), "{other}");
        }
    }

    /// A47 and the corpus of addresses that lead inside, in every spelling that a URL has for them.
    #[test]
    fn a47_members_name_public_hosts_and_what_the_operator_allows() {
        let networks = vec![Network::parse("10.1.0.0/16").unwrap(), Network::parse("fd00::/8").unwrap()];
        let policy = policy(&["http://127.0.0.1:3000"]).with_networks(networks);
        for fine in [
            "https://github.com",
            "https://git.example.com:8443",
            "https://10.1.2.3",
            "https://[fd00::1]",
            "http://127.0.0.1:3000",
        ] {
            assert_eq!(policy.of_origin(fine).unwrap().as_text(), fine);
        }
        for host in [
            "localhost",
            "a.localhost",
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "169.254.169.254",
            "169.254.1.1",
            "[fe80::1]",
            "100.100.100.200",
            "168.63.129.16",
            "[fd00:ec2::254]",
            "224.0.0.1",
            "[ff02::1]",
            "255.255.255.255",
            "10.2.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "[fc00::1]",
            "8.8.8.8",
            "[2001:db8::1]",
            "github.com.",
            "github.com:22",
        ] {
            assert!(policy.of_origin(&format!("https://{host}")).is_err(), "{host}");
        }
        for text in ["http://github.com", "http://127.0.0.1:3001", "ftp://github.com", "github.com", ""] {
            assert!(policy.of_origin(text).is_err(), "{text}");
        }
    }
}
