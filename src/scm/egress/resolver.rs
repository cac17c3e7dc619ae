//! Where names may lead: checked after they are resolved, on every connection.
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

pub(super) use reqwest::dns::Resolve;
use reqwest::dns::{Addrs, Name, Resolving};

use super::{own::is_own, policy::Networks};
use crate::domain::{host::is_local_address, network::Network};

/// Resolves names, and gives no address out unless all addresses of the name may be connected to.
#[derive(Clone, Debug)]
pub struct CheckedResolver {
    /// Whether this machine's own addresses may be connected to, and private ones.
    loopback: bool,
    networks: Networks,
    names: Names,
}

/// Who says where names lead.
#[derive(Clone)]
pub(super) struct Names(pub(super) Arc<dyn Resolve>);

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(Machine))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names(..)")
    }
}

/// This machine, as it is set up.
struct Machine;

impl Resolve for Machine {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl CheckedResolver {
    pub(super) fn new(loopback: bool, networks: Networks, names: Names) -> Self {
        Self { loopback, networks, names }
    }

    fn may_connect(&self, address: IpAddr) -> bool {
        // Metadata services have addresses in private networks, too.
        let private = || Network::is_private(address) && !is_local_address(address);
        let named = self.loopback && (is_loopback(address) || private());
        named || (self.networks.hold(address) && (self.loopback || !is_own(address)))
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
            let found: Vec<SocketAddr> = checked.names.0.resolve(name).await?.collect();
            // Those that were checked are connected to: nobody asks again where the name leads.
            if !found.iter().all(|address| checked.may_connect(address.ip())) {
                return Err(ForbiddenAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Policy, *};

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

    /// Whatever of this machine is reachable from elsewhere, too: the server itself, a database, a neighbour's service.
    #[test]
    fn this_machine_is_none_of_the_forges_of_an_allowed_network() {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        // Sends nothing; says from which address this machine would. Without a network there is the loopback.
        let own = socket.connect("198.51.100.1:9").and_then(|()| socket.local_addr());
        let own = own.map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |address| address.ip());
        let policy = Policy::default().with_networks(vec![Network::parse(&format!("{own}/32")).unwrap()]);
        assert!(!policy.resolver(false).may_connect(own), "{own}");
        assert!(policy.of_origin(&format!("https://{own}")).is_err(), "{own}");
        assert!(policy.origin(&own.to_string()).is_err(), "{own}");
        assert!(policy.resolver(true).may_connect(own), "the operator named it: {own}");
    }

    /// A47: a name may lead to what an address may not say.
    #[test]
    fn a47_members_names_lead_to_public_hosts_and_what_the_operator_allows() {
        let networks = vec![Network::parse("10.1.0.0/16").unwrap(), Network::parse("fd00::/8").unwrap()];
        let policy = Policy::default().with_networks(networks);
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
