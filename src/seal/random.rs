//! Randomness as an argument: the cores take it, thin wrappers draw it.
use aws_lc_rs::rand;
use rsa::rand_core::{CryptoRng, Error as RngError, RngCore};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Fresh random bytes from the system, wiped when dropped.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) if the source fails.
pub fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(&mut *bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Hands out 32 given bytes, once: what one OAEP padding or one ephemeral key needs. The libraries take a
/// generator; this one makes their outcome a function of its arguments, so test vectors can fix it.
pub(super) struct Seed(Option<Zeroizing<[u8; 32]>>);

impl Seed {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Some(bytes))
    }
}

impl RngCore for Seed {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// # Panics
    /// If the library asks twice or for another length: reusing bytes would be worse than stopping.
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        let seed = self.0.take().expect("one request for random bytes per seal");
        dest.copy_from_slice(&*seed);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Seed {}
