//! Opening: the runner agent's half of sealing. **Only `agent` may name this module**; a test keeps it so.
//!
//! A hostile server chooses what arrives here, so everything that can be checked is checked before a private
//! key is touched ([`check`]), every cryptographic failure is the same error, and the agent limits how often
//! it fails (its `attempts`). RSA is opened with aws-lc-rs, whose private-key operations are constant in time;
//! the crate that seals must never do it (RUSTSEC-2023-0071).
mod challenge;
pub mod check;
mod error;
mod keys;

use zeroize::{Zeroize, Zeroizing};

pub use challenge::answer_challenge;
pub use error::{OpenError, Reason};
pub use keys::{KeyRing, PrivateKey};

use super::Place;
use crate::domain::secret::{Sealed, Secret};

/// Opens what the server shows for `place`, the row as the agent fetched it.
///
/// # Errors
/// [`OpenError::UnknownKid`] if no key of the ring has the kid (reread the key directory, then report it as
/// undecryptable); [`OpenError::Rejected`] if what arrived is not what was sealed for this place, found
/// before any private-key operation, or if the plaintext is not an acceptable secret;
/// [`OpenError::Undecryptable`] for every cryptographic failure.
pub fn open(keys: &KeyRing, place: &Place<'_>, sealed: &Sealed) -> Result<Secret, OpenError> {
    let key = keys.get(&sealed.kid).ok_or(OpenError::UnknownKid)?;
    let plaintext = match key.public() {
        super::PublicKey::Rsa(public) => {
            let token = check::token(place, public, &sealed.bytes)?;
            keys.unwrap_token(key, &token)?
        }
        super::PublicKey::X25519(_) => {
            check::boxed(place, &sealed.bytes)?;
            key.unseal(&sealed.bytes)?
        }
    };
    into_secret(place, plaintext)
}

/// The rules for secrets hold here too: a server that seals a line break does so on purpose.
fn into_secret(place: &Place<'_>, mut plaintext: Zeroizing<Vec<u8>>) -> Result<Secret, OpenError> {
    let text = String::from_utf8(std::mem::take(&mut *plaintext)).map_err(|error| {
        error.into_bytes().zeroize();
        OpenError::Rejected(Reason::Plaintext)
    })?;
    Secret::parse_up_to(place.field.max_bytes(), place.field.wire_name(), text)
        .map_err(|_| OpenError::Rejected(Reason::Plaintext))
}
