//! How many connections there may be, in all and from one address.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// Counts open connections.
pub(super) struct Admission {
    slots: Arc<Semaphore>,
    per_ip: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The right to one connection, until it is dropped.
pub(super) struct Permit {
    admission: Arc<Admission>,
    ip: Option<IpAddr>,
    _slot: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(limits.connections)),
            per_ip: limits.connections_per_ip,
            open: Mutex::default(),
        }
    }

    /// Waits until there is room for one more connection.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Admits a connection from `ip`, unless it has too many; loopback never has.
    pub(super) fn admit(self: &Arc<Self>, slot: Option<OwnedSemaphorePermit>, ip: IpAddr) -> Option<Permit> {
        let ip = ip.to_canonical();
        let counted = !ip.is_loopback();
        if counted {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(ip).or_default();
            if *count >= self.per_ip {
                return None;
            }
            *count += 1;
        }
        Some(Permit { admission: Arc::clone(self), ip: counted.then_some(ip), _slot: slot? })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(ip) = self.ip else { return };
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                open.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_has_a_share_and_loopback_has_all() {
        let limits = Limits { connections: 4, connections_per_ip: 1, ..Limits::default() };
        let admission = Arc::new(Admission::new(&limits));
        let far = IpAddr::from([192, 0, 2, 1]);
        let first = admission.admit(admission.slot().await, far).expect("the first is admitted");
        assert!(admission.admit(admission.slot().await, far).is_none());
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201]);
        assert!(admission.admit(admission.slot().await, mapped).is_none(), "the same address in IPv6");
        drop(first);
        assert!(admission.admit(admission.slot().await, far).is_some());
        let here = IpAddr::from([127, 0, 0, 1]);
        let first = admission.admit(admission.slot().await, here);
        let second = admission.admit(admission.slot().await, here);
        assert!(first.is_some() && second.is_some());
    }
}
