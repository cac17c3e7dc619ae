//! Which addresses are this machine's: whatever listens here is no forge, unless the operator names it.
use std::net::{IpAddr, UdpSocket};

/// Whether an address is one of this machine's. Only to those can a socket be bound, and nothing is sent.
pub(super) fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_s_addresses_are_own() {
        for own in ["127.0.0.1", "127.9.9.9"] {
            assert!(is_own(own.parse().unwrap()), "{own}");
        }
        // Of documentation (RFC 5737, RFC 3849): nobody has them.
        for foreign in ["198.51.100.77", "203.0.113.5", "2001:db8::77"] {
            assert!(!is_own(foreign.parse().unwrap()), "{foreign}");
        }
    }
}
