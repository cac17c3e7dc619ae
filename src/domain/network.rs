//! Networks of addresses.
use std::net::{IpAddr, Ipv4Addr};

use crate::error::{Error, Kind, Result};

/// Addresses with the same first bits: `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// Private ones (RFC 1918), and those that providers share among customers (RFC 6598).
const PRIVATE_V4: [(Ipv4Addr, u32); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];

impl Network {
    /// Reads `address/bits`.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(Kind::Invalid, "scm.allowed_cidrs: must be networks such as 10.0.0.0/8 or fd00::/8")
        };
        let (address, bits) = text.split_once('/').ok_or_else(refuse)?;
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let bits: u32 = bits.parse().map_err(|_| refuse())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most { Err(refuse()) } else { Ok(Self { address, bits }) }
    }

    /// Whether an address is in it. An IPv4 address within an IPv6 one counts as itself.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let same = |own: u128, other: u128, length: u32| {
            let shift = length - self.bits;
            shift == 128 || own >> shift == other >> shift
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether an address is in a private network: RFC 1918, RFC 6598, RFC 4193, and IPv6's former site-local ones.
    #[must_use]
    pub fn is_private(address: IpAddr) -> bool {
        match address.to_canonical() {
            v4 @ IpAddr::V4(_) => {
                PRIVATE_V4.iter().any(|&(own, bits)| Self { address: own.into(), bits }.holds(v4))
            }
            IpAddr::V6(v6) => {
                let first = v6.segments()[0];
                first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 || Self::leads_inside(v6)
            }
        }
    }

    /// NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056) lead to the IPv4 address inside.
    fn leads_inside(v6: std::net::Ipv6Addr) -> bool {
        let octets = v6.octets();
        let inside = |at: usize| {
            let bytes: Option<[u8; 4]> = octets.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.is_some_and(|bytes| Self::is_private(IpAddr::V4(bytes.into())))
        };
        match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, ..] => inside(12),
            // What a network operator may use for itself: nobody outside knows where it leads.
            [0x64, 0xff9b, 1, ..] => true,
            [0x2002, ..] => inside(2),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("192.168.1.1/32", "192.168.1.1", "192.168.1.2"),
            ("fd00::/8", "fd12::1", "fc00::1"),
            ("::/0", "2001::1", "1.2.3.4"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(!network.holds(outside.parse().unwrap()), "{network:?} {outside}");
        }
        for text in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "x/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn private_is_what_the_standards_say() {
        for address in [
            "10.0.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.127.0.1",
            "fc00::1",
            "fdff::1",
            "fec0::1",
            "::ffff:192.168.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::",
        ] {
            assert!(Network::is_private(address.parse().unwrap()), "{address}");
        }
        for address in
            ["172.32.0.1", "100.128.0.1", "192.169.0.1", "8.8.8.8", "2606:4700::1", "64:ff9b::808:808"]
        {
            assert!(!Network::is_private(address.parse().unwrap()), "{address}");
        }
    }
}
