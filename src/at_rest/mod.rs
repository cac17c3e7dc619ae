//! Encryption of the secrets the server itself must use: SCM access tokens, webhook secrets, metrics passwords.
//!
//! A root key in a file wraps the **keyring**: random seeds that live in the database. Every record is
//! encrypted under a key of its own, derived from a seed, and bound to its column, its row and the origin it
//! may be sent to. Unlike [`crate::seal`], the server can open these.
//!
//! Types and functions only: what reads and writes the `keyring` table is the store.
mod keyring;
mod record;
mod root_key;

pub use keyring::{DerivedKey, Keyring, KeyringRow, SeedState, UnlockError};
pub use record::Location;
pub use root_key::{RootKey, RootKeyError};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use zeroize::{Zeroize, Zeroizing};

/// Length of every key, seed and salt here, in bytes.
const KEY_BYTES: usize = 32;
/// Length of the authentication tag, in bytes.
const TAG_BYTES: usize = 16;

/// 32 secret bytes, wiped when dropped. They could be printed and compared: every type that holds some writes
/// its own `Debug`, and none is compared.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// HKDF-SHA-256 to 32 bytes. `None` never happens for this length.
fn hkdf(ikm: &[u8; KEY_BYTES], salt: &[u8], info: &[&[u8]]) -> Option<Key> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            KEY_BYTES
        }
    }
    let mut key = Key::default();
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    prk.expand(info, Length).ok()?.fill(&mut *key).ok()?;
    Some(key)
}

/// AES-256-GCM under a key with exactly one use, hence the constant nonce: `ct || tag`.
fn encrypt_once(key: &Key, aad: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &**key).ok()?);
    let mut buffer = Vec::with_capacity(plaintext.len() + TAG_BYTES);
    buffer.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    cipher.seal_in_place_append_tag(nonce, Aad::from(aad), &mut buffer).ok()?;
    Some(buffer)
}

/// The inverse; `None` if anything was changed.
fn decrypt_once(key: &Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &**key).ok()?);
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let length = cipher.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
    buffer[length..].zeroize();
    buffer.truncate(length);
    Some(buffer)
}
