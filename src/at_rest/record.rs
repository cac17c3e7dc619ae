//! One encrypted value: `0x01 || key_id(4) || salt(32) || ct || tag(16)`.
use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, TAG_BYTES, decrypt_once, encrypt_once, hkdf};
use crate::seal::length_prefix;

const VERSION: u8 = 1;
const INFO: &[u8] = b"sealink/at-rest/v1";
const ID_BYTES: usize = 4;
/// Length of a record of an empty plaintext, in bytes.
const OVERHEAD_BYTES: usize = 1 + ID_BYTES + KEY_BYTES + TAG_BYTES;

/// Where a record belongs. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Location<'a> {
    /// Table and column: `scm_account.access_token`.
    pub table_and_column: &'a str,
    /// Whose row it is.
    pub owner_id: &'a str,
    /// The row.
    pub row_id: &'a str,
    /// The origin the secret may be sent to: editing the row's URL in the database makes the secret useless.
    /// "" where the format binds none: always for `runner.metrics_password`, which the runner and not the
    /// server sends, so that its URL may change under a kept password.
    pub url_origin: &'a str,
}

impl Location<'_> {
    /// The authenticated data: the length-prefixed elements and the id of the seed.
    fn aad(&self, key_id: u32) -> Vec<u8> {
        let mut aad = Vec::new();
        for element in [self.table_and_column, self.owner_id, self.row_id, self.url_origin] {
            aad.extend_from_slice(&length_prefix(element.as_bytes()));
            aad.extend_from_slice(element.as_bytes());
        }
        aad.extend_from_slice(&key_id.to_be_bytes());
        aad
    }
}

/// Encrypts under a key derived from `seed` with `salt`, which must be 32 fresh random bytes.
pub(super) fn encrypt(
    seed: &Key,
    key_id: u32,
    salt: &[u8; KEY_BYTES],
    location: &Location<'_>,
    plaintext: &[u8],
) -> Option<Vec<u8>> {
    let key = hkdf(seed, salt, &[INFO])?;
    let sealed = encrypt_once(&key, &location.aad(key_id), plaintext)?;
    Some([&[VERSION], key_id.to_be_bytes().as_slice(), salt, &sealed].concat())
}

/// The id of the seed that opens a record; `None` if it is not a record.
pub(super) fn key_id(record: &[u8]) -> Option<u32> {
    let (&version, rest) = record.split_first()?;
    (version == VERSION && record.len() >= OVERHEAD_BYTES).then_some(())?;
    rest.first_chunk().copied().map(u32::from_be_bytes)
}

/// Decrypts; `None` if anything about the record or its location was changed.
pub(super) fn decrypt(seed: &Key, location: &Location<'_>, record: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key_id = key_id(record)?;
    let (salt, sealed) = record.get(1 + ID_BYTES..)?.split_first_chunk::<KEY_BYTES>()?;
    decrypt_once(&hkdf(seed, salt, &[INFO])?, &location.aad(key_id), sealed)
}
