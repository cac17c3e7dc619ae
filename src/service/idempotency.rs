//! Creates that are sent twice: which one makes something, and what the other is told.
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use uuid::Uuid;

use super::Service;
use crate::{
    domain::{
        access::Caller,
        idempotency::{Claim, IdempotencyKey, LIFE, Once, invalid},
    },
    error::{Error, Kind, Result},
};

const PURPOSE: &str = "idempotency/v1";
const JOB: &str = "idempotency_sweep";
/// How long a server that died keeps the others from removing expired keys.
const LEASE: Duration = Duration::from_secs(30);

/// A request that names itself, to be told from its repeats.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The method, as [`METHODS`](crate::domain::idempotency::METHODS) spells it.
    pub method: &'static str,
    /// The request's name for itself.
    pub key: &'a IdempotencyKey,
    /// The whole request, spelled the same whenever it says the same. It may hold secrets, and only a MAC of it is
    /// kept.
    pub request: &'a [u8],
}

/// Who is to make the call for a request with a key.
#[derive(Debug)]
pub struct Attempt {
    /// The caller, who makes something at most once.
    pub caller: Caller,
    /// As long as it lives, others with the same key are told to wait.
    _turn: Option<Turn>,
}

/// One key of one principal and method.
type Name = (Uuid, &'static str, IdempotencyKey);

/// The keys whose requests this server is busy with. Another server's show when their changes commit.
#[derive(Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<Name>>>);

#[derive(Debug)]
struct Turn {
    busy: Arc<Mutex<HashSet<Name>>>,
    name: Name,
}

impl InFlight {
    fn enter(&self, name: Name) -> Option<Turn> {
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        entered.then(|| Turn { busy: Arc::clone(&self.0), name })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Service {
    /// Decides whether a request with a key is the first of its kind or a repeat, and holds its place meanwhile.
    /// The caller that comes back makes the call; if that fails, ask [`repeated`](Self::repeated).
    ///
    /// # Errors
    /// [`Kind::Invalid`] if the key has made something by another request, [`Kind::Conflict`] if a request with the
    /// key is in progress.
    pub async fn attempt(&self, caller: &Caller, ask: Ask<'_>) -> Result<Attempt> {
        // Before its turn: repeats of what is done need not wait for each other.
        if let Some(caller) = self.repeated(caller, ask).await? {
            return Ok(Attempt { caller, _turn: None });
        }
        let principal = caller.principal.id();
        let turn = self.in_flight.enter((principal, ask.method, ask.key.clone())).ok_or_else(in_progress)?;
        // And in its turn: the one before may just have ended.
        if let Some(caller) = self.repeated(caller, ask).await? {
            return Ok(Attempt { caller, _turn: None });
        }
        let once = Once::First(self.claim(principal, ask)?);
        Ok(Attempt { caller: Caller { once: Some(once), ..caller.clone() }, _turn: Some(turn) })
    }

    /// The caller who repeats the request after all: an attempt failed because another server was faster, or its
    /// outcome was not known. `None`: the key has made nothing.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub async fn repeated(&self, caller: &Caller, ask: Ask<'_>) -> Result<Option<Caller>> {
        let made = self.made(caller.principal.id(), ask).await?;
        Ok(made.map(|object| Caller { once: Some(Once::Again(object)), ..caller.clone() }))
    }

    /// What the key has made, if it was by the same request.
    async fn made(&self, principal: Uuid, ask: Ask<'_>) -> Result<Option<String>> {
        let found = self.store.remembered(principal, (ask.method, ask.key), self.now()).await?;
        let Some(found) = found else { return Ok(None) };
        let key_id = u32::try_from(found.key_id).ok();
        let ring = self.ring_for(key_id).await?;
        let key = key_id.and_then(|id| ring.keyring.derive_from(id, PURPOSE));
        let key = key.ok_or_else(|| Error::new(Kind::DataLoss, "an idempotency key's seed is gone"))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*key.key);
        match hmac::verify(&key, &covered(principal, ask), &found.request_mac) {
            Ok(()) => Ok(Some(found.object)),
            Err(_) => {
                Err(invalid("value was used for another request; every request needs a key of its own"))
            }
        }
    }

    fn claim(&self, principal: Uuid, ask: Ask<'_>) -> Result<Claim> {
        let key = self.ring().keyring.derive(PURPOSE)?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key.key), &covered(principal, ask));
        Ok(Claim {
            method: ask.method,
            key: ask.key.clone(),
            key_id: key.key_id,
            request_mac: tag.as_ref().to_vec(),
            expires_at: self.now().plus(LIFE),
        })
    }

    /// Removes expired keys, unless another server does.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if another server took the job over meanwhile; it then goes on.
    pub async fn sweep_idempotency_keys(&self) -> Result<()> {
        while self.store.has_expired_keys(self.now()).await? {
            let now = self.now();
            let lease = self.store.lease(JOB, self.process, (now, now.plus(LEASE))).await?;
            let Some(lease) = lease else { return Ok(()) };
            if !self.store.sweep_keys(lease, now).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn in_progress() -> Error {
    Error::new(Kind::Conflict, "a request with this Idempotency-Key is in progress")
        .retry_after(Duration::from_secs(1))
}

/// What the MAC of a request covers, so that no row fits another key: everything that names it, and all it says.
fn covered(principal: Uuid, ask: Ask<'_>) -> zeroize::Zeroizing<Vec<u8>> {
    let elements = [principal.as_bytes(), ask.method.as_bytes(), ask.key.as_str().as_bytes(), ask.request];
    // At its full size from the start: growing would leave copies of the request behind.
    let length = elements.iter().map(|element| 8 + element.len()).sum();
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(length));
    for element in elements {
        bytes.extend_from_slice(&(element.len() as u64).to_be_bytes());
        bytes.extend_from_slice(element);
    }
    bytes
}
