//! Where Sealink may connect to: forges, over https, at addresses where forges are.
//!
//! Private networks are where self-hosted forges live: the agent, whose hosts an administrator names, may go there; the
//! server, where every member names hosts, only where its operator says so. This machine, neighbours without a router,
//! multicast and metadata services never are allowed. An origin that the operator names exactly
//! (`http://127.0.0.1:3000`) is spared the rules about https and this machine, nothing else.
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{
    domain::{host::is_local_address, network::Network},
    error::{Error, Result},
};

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
    allowed: Vec<Url>,
    networks: Networks,
}

/// In which networks forges may be.
#[derive(Clone, Debug, Default)]
enum Networks {
    /// In all, also in private ones.
    #[default]
    All,
    /// In the public one, and in these.
    Public(Arc<[Network]>),
}

impl Networks {
    /// Whether a forge may be there; this machine never counts.
    fn hold(&self, address: IpAddr) -> bool {
        let private = || match self {
            Self::All => false,
            Self::Public(networks) => {
                Network::is_private(address) && !networks.iter().any(|network| network.holds(address))
            }
        };
        !is_local_address(address) && !private()
    }
}

impl Policy {
    /// Reads `--allow-origin`: each `http(s)://host[:port]`, without a path.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for anything else.
    pub fn new(origins: &[String]) -> Result<Self> {
        let refuse = || {
            let message = "value must be an origin such as http://127.0.0.1:3000";
            Error::invalid("allow-origin", "sealink.origin", message)
        };
        let read = |text: &String| {
            let url = Url::parse(text).ok()?;
            let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
            let plain = url.username().is_empty() && url.password().is_none() && !text.contains('@');
            (matches!(url.scheme(), "http" | "https") && url.has_host() && bare && plain).then_some(url)
        };
        let allowed = origins.iter().map(|text| read(text).ok_or_else(refuse)).collect::<Result<_>>()?;
        Ok(Self { allowed, networks: Networks::All })
    }

    /// The same, but of private networks only these.
    #[must_use]
    pub fn with_networks(self, networks: Vec<Network>) -> Self {
        Self { networks: Networks::Public(networks.into()), ..self }
    }

    /// An origin that somebody typed: `https`, at a name or an address in an allowed network, or exactly one that the
    /// operator allows.
    ///
    /// # Errors
    /// The sentence of a refusal.
    pub fn of_origin(&self, text: &str) -> std::result::Result<Origin, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be the address of a forge")?;
        if self.allowed.iter().any(|one| one.origin() == url.origin()) {
            return Ok(Origin { url, allowed: true });
        }
        if url.scheme() != "https" {
            return Err(
                "must begin with https://, unless the operator allows this address in scm.allowed_origins",
            );
        }
        let listed = |address: IpAddr| match &self.networks {
            Networks::All => !is_local_address(address),
            Networks::Public(networks) => {
                !is_local_address(address) && networks.iter().any(|network| network.holds(address))
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
        Arc::new(CheckedResolver { loopback, networks: self.networks.clone() })
    }

    /// Whether any allowed origin speaks TLS.
    #[must_use]
    pub fn allows_tls(&self) -> bool {
        self.allowed.iter().any(|url| url.scheme() == "https")
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
        let allowed = |url: &Url| self.allowed.iter().any(|one| one.origin() == url.origin());
        if let Some(url) = http.into_iter().chain([https.clone()]).find(allowed) {
            return Ok(Origin { url, allowed: true });
        }
        let local = match https.host() {
            Some(Host::Ipv4(address)) => is_local_address(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => is_local_address(IpAddr::V6(address)),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => true,
        };
        if local {
            return Err(
                "the integration's host leads to this machine; if that is meant, start the agent with \
                        --allow-origin",
            );
        }
        Ok(Origin { url: https, allowed: false })
    }
}

/// Resolves names, and gives no address out unless all addresses of the name may be connected to.
#[derive(Clone, Debug)]
pub struct CheckedResolver {
    /// Whether this machine's own addresses may be connected to, and private ones.
    loopback: bool,
    networks: Networks,
}

impl CheckedResolver {
    fn may_connect(&self, address: IpAddr) -> bool {
        // Metadata services have addresses in private networks, too.
        let private = || Network::is_private(address) && !is_local_address(address);
        let named = self.loopback && (is_loopback(address) || private());
        named || self.networks.hold(address)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4: Ipv4Addr| v4.is_loopback())
        }
    }
}

/// A name that leads where nobody must go.
#[derive(Debug)]
pub struct ForbiddenAddress;

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to an address that no forge has")
    }
}

impl std::error::Error for ForbiddenAddress {}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let checked = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !found.iter().all(|address| checked.may_connect(address.ip())) {
                return Err(ForbiddenAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(origins: &[&str]) -> Policy {
        Policy::new(&origins.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
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
        for text in ["127.0.0.1:3000", "http://h/path", "http://h?x", "http://u@h", "ftp://h", ""] {
            assert!(Policy::new(&[text.to_owned()]).is_err(), "{text}");
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

    #[tokio::test]
    async fn a_name_is_given_out_only_if_all_its_addresses_may_be_connected_to() {
        let name = || "localhost".parse::<Name>().unwrap();
        let (strict, lenient) = (Policy::default().resolver(false), Policy::default().resolver(true));
        let refused = strict.resolve(name()).await.err().unwrap();
        assert!(refused.is::<ForbiddenAddress>(), "{refused}");
        assert!(lenient.resolve(name()).await.unwrap().count() > 0);
        for never in ["169.254.169.254", "100.100.100.200", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0"] {
            assert!(!lenient.may_connect(never.parse().unwrap()), "{never}");
        }
        assert!(strict.may_connect("10.0.0.1".parse().unwrap()));
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
        // A name may lead to what an address may not say, and is checked once it is resolved.
        let (strict, named) = (policy.resolver(false), policy.resolver(true));
        for (address, public, of_named) in [
            ("140.82.121.3", true, true),
            ("10.1.9.9", true, true),
            ("fd12::1", true, true),
            ("10.2.0.1", false, true),
            ("192.168.0.1", false, true),
            ("100.64.0.1", false, true),
            ("::ffff:10.2.0.1", false, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("169.254.169.254", false, false),
            ("100.100.100.200", false, false),
            ("fd00:ec2::254", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(
                (strict.may_connect(address), named.may_connect(address)),
                (public, of_named),
                "{address}"
            );
        }
    }
}
