//! The host of an SCM, as its users write it: no scheme, an optional port, and for Azure DevOps a path.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host as UrlHost;

use crate::{
    domain::allowed_origins::AllowedOrigins,
    error::{Error, Result},
};

const FIELD: &str = "host";
/// Ports that no forge listens on and that turn a host into an attack on something else.
const REFUSED_PORTS: [u16; 2] = [0, 22];
const METADATA_NAMES: [&str; 3] = ["metadata", "metadata.google.internal", "metadata.goog"];
const METADATA_ADDRESSES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// A host that was accepted: kept and sealed exactly as sent, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Accepts a host. `with_organization` also takes `dev.azure.com/<organization>`.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `host`: not a plain ASCII DNS name or canonical IP
    /// address, or one that leads to this machine or a cloud's metadata.
    pub fn parse(text: String, with_organization: bool, allowed: &AllowedOrigins) -> Result<Self> {
        let authority = match text.split_once('/') {
            Some((host, organization)) if with_organization && is_azure(host, organization) => host,
            _ => &text,
        };
        if !allowed.hold_host(authority) {
            let (name, port) = split_port(authority)?;
            check_port(port)?;
            check_name(name)?;
        }
        Ok(Self(text))
    }

    /// As stored: for records that were accepted before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The host as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host as the user wrote it.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// What uniqueness is decided by: the host in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn refuse(message: &'static str) -> Error {
    Error::invalid(FIELD, "sealink.host", message)
}

fn is_azure(host: &str, organization: &str) -> bool {
    let letters = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    host.eq_ignore_ascii_case("dev.azure.com")
        && (1..=50).contains(&organization.len())
        && organization.bytes().all(letters)
}

/// Splits `name:port` and `[v6]:port`.
fn split_port(authority: &str) -> Result<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or_else(|| refuse("value must be a host name"))?;
        let (name, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((name, Some(port))),
            None if rest.is_empty() => Ok((name, None)),
            None => Err(refuse("value must be a host name")),
        };
    }
    Ok(authority.split_once(':').map_or((authority, None), |(name, port)| (name, Some(port))))
}

fn check_port(port: Option<&str>) -> Result<()> {
    let Some(text) = port else { return Ok(()) };
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse::<u16>() {
        Ok(port) if canonical && !REFUSED_PORTS.contains(&port) => Ok(()),
        _ => Err(refuse("value must have a port that a forge can listen on, or none")),
    }
}

fn check_name(name: &str) -> Result<()> {
    let lower = name.to_ascii_lowercase();
    if name.len() > 253 || !(is_dns_name(&lower) || lower.starts_with('[')) {
        return Err(refuse("value must be a host name such as github.com, without scheme, user or path"));
    }
    // The second parser decides what the first would have called a name: 127.1 or 0x7f000001.
    let parsed =
        UrlHost::parse(&lower).map_err(|_| refuse("value must be a host name such as github.com"))?;
    if parsed.to_string() != lower {
        return Err(refuse("value must be an IP address in its canonical spelling"));
    }
    match parsed {
        UrlHost::Domain(domain) => check_domain(&domain),
        UrlHost::Ipv4(address) => check_address(IpAddr::V4(address)),
        UrlHost::Ipv6(address) => check_address(IpAddr::V6(address)),
    }
}

/// Letters, digits and hyphens in labels of 1 to 63, none of them starting or ending with a hyphen.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(label)
}

/// Whether a name is this machine's or a metadata service's.
pub(super) fn leads_here(domain: &str) -> bool {
    domain == "localhost" || domain.ends_with(".localhost") || METADATA_NAMES.contains(&domain)
}

fn check_domain(domain: &str) -> Result<()> {
    if leads_here(domain) { Err(local_host()) } else { Ok(()) }
}

fn check_address(address: IpAddr) -> Result<()> {
    if is_local_address(address) { Err(local_host()) } else { Ok(()) }
}

/// Whether an address is this machine's, a neighbour's without a router, many machines', or a metadata
/// service's: none where a forge is. Looks through addresses that carry an IPv4 address inside.
#[must_use]
pub fn is_local_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_local_v4(v4),
        IpAddr::V6(v6) => {
            let [first, second, .., last] = v6.segments();
            let embedded = embedded_v4(v6);
            embedded.is_some_and(is_local_v4)
                || v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || first & 0xffc0 == 0xfe80
                || (first == 0xfd00 && second == 0x0ec2 && last == 0x0254)
        }
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.octets()[0] == 0
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || METADATA_ADDRESSES.contains(&address)
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    const SIX_TO_FOUR: [u8; 2] = [0x20, 0x02];
    let octets = address.octets();
    let v4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
    if octets.starts_with(&NAT64) {
        return v4(&octets[12..]);
    }
    if octets.starts_with(&SIX_TO_FOUR) {
        return v4(&octets[2..6]);
    }
    address.to_ipv4()
}

fn local_host() -> Error {
    refuse("value must not lead to this machine or a metadata service, unless scm.allowed_origins lists it")
}
