//! Sealing to a runner's ACTIVE key. Parsing a key costs more than looking it up, so parsed keys are kept.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{
    domain::{
        live_call::unfitting,
        runner::Runner,
        runner_key::RunnerKey,
        secret::{Kid, Sealed, Secret},
    },
    error::{Error, Kind, Result},
    seal::{Place, PublicKey, fits, seal},
};

/// How many parsed keys are kept; beyond that all are dropped and parsed again as they are needed.
const CAPACITY: usize = 1_024;

/// Parsed public keys by thumbprint. A thumbprint never names another key, so nothing here can be stale.
#[derive(Default)]
pub(super) struct KeyCache(Mutex<HashMap<Kid, Arc<PublicKey>>>);

impl KeyCache {
    /// Seals a secret to the runner's ACTIVE key.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the runner has none; the words are what official clients look for.
    pub(super) fn seal_for(&self, runner: &Runner, place: &Place<'_>, secret: &Secret) -> Result<Sealed> {
        let missing = || Error::new(Kind::Precondition, "runner does not have a public key");
        let key = runner.active_key.as_ref().ok_or_else(missing)?;
        seal(&*self.parsed(key)?, place, secret)
    }

    /// What an agent sealed must be sealed for its place with the runner's ACTIVE key, as far as one can see that
    /// without opening it.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for another key, [`Kind::Unavailable`] for another place.
    pub(super) fn require_fit(
        &self,
        runner: &Runner,
        place: &Place<'_>,
        sealed: &[u8],
        kid: &str,
    ) -> Result<()> {
        let replaced =
            || Error::new(Kind::Precondition, "it is not sealed with the runner's ACTIVE key; try again");
        let key = runner.active_key.as_ref().filter(|key| key.kid.0 == kid).ok_or_else(replaced)?;
        if fits(&*self.parsed(key)?, place, sealed) { Ok(()) } else { Err(unfitting()) }
    }

    /// The parsed form of a stored key.
    pub(super) fn parsed(&self, stored: &RunnerKey) -> Result<Arc<PublicKey>> {
        if let Some(key) = self.lock().get(&stored.kid) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(PublicKey::from_stored(stored.algorithm, &stored.public_key)?);
        if *key.kid() != stored.kid {
            return Err(Error::new(Kind::DataLoss, "a stored key does not match its thumbprint"));
        }
        let mut keys = self.lock();
        if keys.len() >= CAPACITY {
            keys.clear();
        }
        keys.insert(stored.kid.clone(), Arc::clone(&key));
        Ok(key)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Kid, Arc<PublicKey>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
