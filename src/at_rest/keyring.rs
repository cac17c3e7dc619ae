//! The keyring: seeds in the database, wrapped by the root key.
use std::{collections::BTreeMap, error::Error as StdError, fmt};

use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, Location, RootKey, decrypt_once, encrypt_once, hkdf, record};
use crate::{
    error::{Error, Kind, Result},
    seal::{length_prefix, random},
};

const WRAP_VERSION: u8 = 1;
const WRAP_INFO: &[u8] = b"sealink/keyring/v1";
const DERIVE_INFO: &[u8] = b"sealink/derive/v1";

/// Where a seed is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeedState {
    /// New records are encrypted with it. Exactly one seed is.
    Active,
    /// Its records still open, but new ones use another.
    DecryptOnly,
    /// No record names it; it opens nothing.
    Retired,
}

impl SeedState {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::DecryptOnly => "DECRYPT_ONLY",
            Self::Retired => "RETIRED",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::DecryptOnly, Self::Retired].into_iter().find(|state| state.name() == name)
    }
}

/// One row of the `keyring` table. Holds no secret that the root key does not protect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringRow {
    /// The seed's number, as it stands in every record.
    pub key_id: u32,
    /// Where it is in its life.
    pub state: SeedState,
    /// `0x01 || salt(32) || ct(32) || tag(16)`: the seed under a key derived from the root key.
    pub wrapped: Vec<u8>,
    /// [`RootKey::fingerprint`] of the root key that wraps it.
    pub root_fingerprint: String,
}

/// Why the keyring stays closed. The server must then end before it writes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnlockError {
    /// A seed is wrapped by another root key.
    WrongRootKey {
        /// The seed.
        key_id: u32,
    },
    /// A wrapped seed was damaged or exchanged.
    Damaged {
        /// The seed.
        key_id: u32,
    },
    /// Two rows have the same number.
    Doubled {
        /// The seed.
        key_id: u32,
    },
    /// Not exactly one seed is active.
    NotOneActive,
}

/// The seeds in clear, in memory. Cannot be printed or cloned; wiped when dropped.
pub struct Keyring {
    active: u32,
    seeds: BTreeMap<u32, (SeedState, Key)>,
}

/// A key for one purpose, with the seed it comes from.
pub struct DerivedKey {
    /// The seed's number: keep it beside what the key made.
    pub key_id: u32,
    /// The key: 32 bytes.
    pub key: Zeroizing<[u8; KEY_BYTES]>,
}

impl KeyringRow {
    /// Makes a new seed and wraps it.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system's random source fails.
    pub fn generate(root: &RootKey, key_id: u32, state: SeedState) -> Result<Self> {
        Self::wrap(root, key_id, state, &random::bytes()?)
    }

    /// The same seed under another root key.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if `old` does not open the row.
    pub fn rewrap(&self, old: &RootKey, new: &RootKey) -> Result<Self> {
        let seed =
            self.unwrap(old).map_err(|error| Error::new(Kind::DataLoss, "keyring").caused_by(error))?;
        Self::wrap(new, self.key_id, self.state, &seed)
    }

    fn wrap(root: &RootKey, key_id: u32, state: SeedState, seed: &Key) -> Result<Self> {
        let salt = random::bytes::<KEY_BYTES>()?;
        let sealed = hkdf(root.key(), &*salt, &[WRAP_INFO])
            .and_then(|key| encrypt_once(&key, &wrap_aad(key_id), &**seed))
            .ok_or_else(|| Error::internal("wrapping a seed failed"))?;
        let wrapped = [&[WRAP_VERSION], salt.as_slice(), &sealed].concat();
        Ok(Self { key_id, state, wrapped, root_fingerprint: root.fingerprint() })
    }

    fn unwrap(&self, root: &RootKey) -> Result<Key, UnlockError> {
        if self.root_fingerprint != root.fingerprint() {
            return Err(UnlockError::WrongRootKey { key_id: self.key_id });
        }
        self.open_wrapped(root).ok_or(UnlockError::Damaged { key_id: self.key_id })
    }

    fn open_wrapped(&self, root: &RootKey) -> Option<Key> {
        let (&version, rest) = self.wrapped.split_first()?;
        (version == WRAP_VERSION).then_some(())?;
        let (salt, sealed) = rest.split_first_chunk::<KEY_BYTES>()?;
        let seed = decrypt_once(&hkdf(root.key(), salt, &[WRAP_INFO])?, &wrap_aad(self.key_id), sealed)?;
        seed.as_slice().try_into().ok().map(Zeroizing::new)
    }
}

/// A wrapped seed opens only under its own number.
fn wrap_aad(key_id: u32) -> Vec<u8> {
    const COLUMN: &[u8] = b"keyring.seed";
    [length_prefix(COLUMN).as_slice(), COLUMN, &key_id.to_be_bytes()].concat()
}

impl Keyring {
    /// Unwraps all rows. Call it before the first write: a wrong root key shows here.
    ///
    /// # Errors
    /// [`UnlockError`]; the server maps each to exit code 78.
    pub fn unlock(root: &RootKey, rows: &[KeyringRow]) -> Result<Self, UnlockError> {
        let mut seeds = BTreeMap::new();
        for row in rows {
            if seeds.insert(row.key_id, (row.state, row.unwrap(root)?)).is_some() {
                return Err(UnlockError::Doubled { key_id: row.key_id });
            }
        }
        let mut active =
            seeds.iter().filter(|(_, (state, _))| *state == SeedState::Active).map(|(id, _)| *id);
        match (active.next(), active.next()) {
            (Some(active), None) => Ok(Self { active, seeds }),
            _ => Err(UnlockError::NotOneActive),
        }
    }

    /// The number of the seed that encrypts.
    #[must_use]
    pub const fn active_id(&self) -> u32 {
        self.active
    }

    /// The numbers of all seeds, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.seeds.keys().copied()
    }

    /// Encrypts a value for its location with the active seed: 53 bytes longer than the plaintext.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system's random source fails.
    pub fn seal(&self, location: &Location<'_>, plaintext: &[u8]) -> Result<Vec<u8>> {
        let salt = random::bytes()?;
        self.seed(self.active)
            .and_then(|seed| record::encrypt(seed, self.active, &salt, location, plaintext))
            .ok_or_else(|| Error::internal("encrypting a record failed"))
    }

    /// Decrypts a value where it stands.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if the record was changed or moved, or names a seed that is not here or retired.
    pub fn open(&self, location: &Location<'_>, record: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        record::key_id(record)
            .and_then(|id| self.seed(id))
            .and_then(|seed| record::decrypt(seed, location, record))
            .ok_or_else(|| Error::new(Kind::DataLoss, "an encrypted record cannot be opened"))
    }

    /// The number of the seed a record needs, to find those that rotation must re-encrypt.
    #[must_use]
    pub fn key_id_of(record: &[u8]) -> Option<u32> {
        record::key_id(record)
    }

    /// A key for `purpose` from the active seed: page tokens, row MACs, idempotency fingerprints. The same
    /// purpose gives the same key for as long as the seed is active.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the library fails, which it does not for this length.
    pub fn derive(&self, purpose: &str) -> Result<DerivedKey> {
        self.derive_from(self.active, purpose).ok_or_else(|| Error::internal("deriving a key failed"))
    }

    /// The same from another seed, to verify what it made; `None` if that seed is not here or retired.
    #[must_use]
    pub fn derive_from(&self, key_id: u32, purpose: &str) -> Option<DerivedKey> {
        let purpose = purpose.as_bytes();
        let key = hkdf(self.seed(key_id)?, &[], &[DERIVE_INFO, &length_prefix(purpose), purpose])?;
        Some(DerivedKey { key_id, key })
    }

    fn seed(&self, key_id: u32) -> Option<&Key> {
        self.seeds.get(&key_id).filter(|(state, _)| *state != SeedState::Retired).map(|(_, seed)| seed)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} seeds, active {})", self.seeds.len(), self.active)
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivedKey(from seed {})", self.key_id)
    }
}

impl fmt::Display for UnlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongRootKey { key_id } => {
                write!(f, "the root key is not the one that wraps seed {key_id} of this database's keyring")
            }
            Self::Damaged { key_id } => write!(f, "seed {key_id} of the keyring is damaged"),
            Self::Doubled { key_id } => write!(f, "seed {key_id} stands twice in the keyring"),
            Self::NotOneActive => f.write_str("not exactly one seed of the keyring is active"),
        }
    }
}

impl StdError for UnlockError {}
