//! The root key: 32 random bytes in a file that only its owner can read.
use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{KEY_BYTES, Key};
use crate::{private_file::Draft, seal::random};

/// No encoding of a key is longer, in bytes; a longer file is not read.
const MAX_FILE_BYTES: usize = 128;
/// Standard base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key that wraps the keyring. Cannot be printed or cloned; wiped when dropped.
pub struct RootKey(Key);

/// Why a root key cannot be had. Never holds any of it.
#[derive(Debug)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
    /// Group or others can read the file.
    Permissions(PathBuf, u32),
    /// The file does not hold 32 bytes as hexadecimal or base64 text.
    Content(PathBuf),
    /// The system's random source failed.
    Random,
}

impl RootKey {
    /// Reads the key: 64 hexadecimal digits or base64 text, white space around it ignored.
    ///
    /// # Errors
    /// [`RootKeyError`] if the file is missing, readable by group or others, or holds anything else.
    pub fn load(path: &Path) -> Result<Self, RootKeyError> {
        let io = |error| RootKeyError::Io(path.to_owned(), error);
        let file = fs::File::open(path).map_err(io)?;
        // Of the open file, so that nothing can be exchanged in between.
        let metadata = file.metadata().map_err(io)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(RootKeyError::Permissions(path.to_owned(), metadata.mode() & 0o777));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES));
        io::Read::read_to_end(&mut io::Read::take(&file, MAX_FILE_BYTES as u64), &mut text).map_err(io)?;
        parse(text.trim_ascii()).map(Self).ok_or_else(|| RootKeyError::Content(path.to_owned()))
    }

    /// Makes a key and writes it as hexadecimal text with mode 0600, durably and in one step: after a crash
    /// the file is there whole or not at all.
    ///
    /// # Errors
    /// [`RootKeyError::Io`] with [`io::ErrorKind::AlreadyExists`] if there is a file already.
    pub fn create(path: &Path) -> Result<Self, RootKeyError> {
        let key: Key = random::bytes().map_err(|_| RootKeyError::Random)?;
        let digits = Zeroizing::new(hex::encode(key.as_slice()));
        // Sized at once: growing would leave a copy behind.
        let text = Zeroizing::new([digits.as_str(), "\n"].concat());
        Draft::create(path)
            .and_then(|draft| draft.commit_new(text.as_bytes()))
            .map_err(|error| RootKeyError::Io(path.to_owned(), error))?;
        Ok(Self(key))
    }

    /// What this key is called beside everything it wraps: 32 hexadecimal digits that say nothing about it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0);
        let tag = hmac::sign(&key, b"sealink/root-key-fingerprint/v1");
        hex::encode(&tag.as_ref()[..16])
    }

    /// The key for the keyring.
    pub(super) const fn key(&self) -> &Key {
        &self.0
    }
}

fn parse(text: &[u8]) -> Option<Key> {
    let mut key = Key::default();
    if text.len() == 2 * KEY_BYTES {
        hex::decode_to_slice(text, &mut *key).ok()?;
        return Some(key);
    }
    let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
    (bytes.len() == KEY_BYTES).then(|| key.copy_from_slice(&bytes))?;
    Some(key)
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({})", self.fingerprint())
    }
}

impl fmt::Display for RootKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "root key file {}: {error}", path.display()),
            Self::Permissions(path, mode) => {
                let path = path.display();
                write!(
                    f,
                    "root key file {path} has mode {mode:04o}: others can read it; run chmod 600 {path}"
                )
            }
            Self::Content(path) => {
                write!(f, "root key file {} must hold 32 bytes as hexadecimal or base64 text", path.display())
            }
            Self::Random => f.write_str("the system's random source failed"),
        }
    }
}

impl std::error::Error for RootKeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}
