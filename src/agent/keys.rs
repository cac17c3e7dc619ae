//! The key directory: one file `<kid>.pem` per private key, shared by all agents of a runner.
use std::{
    cmp::Reverse,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::dir;
use crate::{
    domain::secret::Kid,
    error::{Error, Kind, Result},
    private_file,
    seal::open::{KeyRing, PrivateKey},
};

/// The key length of new keys, in bits.
pub const DEFAULT_BITS: u32 = 3_072;
const EXTENSION: &str = "pem";
const MAX_PEM_BYTES: u64 = 16 << 10;

/// `--key-dir`.
#[derive(Clone, Debug)]
pub struct KeyDir {
    path: PathBuf,
}

/// The keys of a directory as they were when it was read.
#[derive(Debug, Default)]
pub struct Keys {
    /// All of them, by kid.
    pub ring: KeyRing,
    newest_first: Vec<Kid>,
}

impl Keys {
    /// The keys, the one written last first.
    pub fn newest_first(&self) -> impl Iterator<Item = &PrivateKey> {
        self.newest_first.iter().filter_map(|kid| self.ring.get(kid))
    }
}

impl KeyDir {
    /// Names the directory; it need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an RSA key of 2048, 3072 or 4096 bits and keeps it, mode 0600; the disk has it when this returns.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for another length, [`Kind::Precondition`] if the disk will not have it.
    pub fn generate(&self, bits: u32) -> Result<PrivateKey> {
        private_file::create_dir(&self.path).map_err(|source| dir::unusable(&self.path, source))?;
        let _lock = dir::lock(&self.path)?;
        let key = PrivateKey::generate_rsa(bits)?;
        let path = self.path.join(format!("{}.{EXTENSION}", key.public().kid()));
        private_file::write(&path, key.to_pem()?.as_bytes())
            .map_err(|source| dir::unusable(&path, source))?;
        Ok(key)
    }

    /// Reads every key, from the disk as it is now. A directory that does not exist holds none.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for a key that others may read, [`Kind::DataLoss`] for one that is damaged.
    pub fn load(&self) -> Result<Keys> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Keys::default()),
            entries => entries.map_err(|source| dir::unusable(&self.path, source))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| dir::unusable(&self.path, source))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                found.push(read(&path)?);
            }
        }
        found.sort_by_key(|(_, written)| Reverse(*written));
        let newest_first = found.iter().map(|(key, _)| key.public().kid().clone()).collect();
        Ok(Keys { ring: KeyRing::new(found.into_iter().map(|(key, _)| key)), newest_first })
    }
}

/// A key and when its file was last written.
fn read(path: &Path) -> Result<(PrivateKey, SystemTime)> {
    dir::require_private(path, "600")?;
    let unusable = |source| dir::unusable(path, source);
    let file = File::open(path).map_err(unusable)?;
    let written = file.metadata().and_then(|meta| meta.modified()).map_err(unusable)?;
    let pem = private_file::read_text(file, MAX_PEM_BYTES).map_err(unusable)?;
    // No cause: it might quote the key.
    let key = PrivateKey::from_pem(&pem).map_err(|_| {
        let message = format!("{} is not a private key that can be used; move it away", path.display());
        Error::new(Kind::DataLoss, message)
    })?;
    Ok((key, written))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_named_by_kid_private_and_found_again() {
        let parent = tempfile::tempdir().unwrap();
        let keys = KeyDir::new(&parent.path().join("keys"));
        assert_eq!(keys.load().unwrap().newest_first().count(), 0);
        let made = keys.generate(2_048).unwrap();
        let kid = made.public().kid().clone();
        let path = keys.path().join(format!("{kid}.pem"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(keys.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let loaded = keys.load().unwrap();
        assert_eq!(loaded.ring.get(&kid).unwrap().public(), made.public());
        assert!(loaded.ring.get(&Kid("another".to_owned())).is_none());
    }

    #[test]
    fn open_or_damaged_keys_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let keys = KeyDir::new(parent.path());
        let path = parent.path().join("canary.pem");
        fs::write(&path, "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(keys.load().unwrap_err().message().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(keys.load().unwrap_err().kind(), Kind::DataLoss);
    }

    #[test]
    fn only_the_three_lengths() {
        let parent = tempfile::tempdir().unwrap();
        let keys = KeyDir::new(parent.path());
        for bits in [0, 1_024, 2_049, 8_192] {
            assert_eq!(keys.generate(bits).unwrap_err().kind(), Kind::Invalid, "{bits}");
        }
        assert_eq!(keys.load().unwrap().newest_first().count(), 0);
    }

    #[test]
    fn the_key_written_last_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        let keys = KeyDir::new(parent.path());
        let [old, new] = [2_048, 2_048].map(|bits| keys.generate(bits).unwrap().public().kid().clone());
        let past = SystemTime::UNIX_EPOCH;
        File::options()
            .write(true)
            .open(parent.path().join(format!("{old}.pem")))
            .unwrap()
            .set_modified(past)
            .unwrap();
        let order: Vec<_> =
            keys.load().unwrap().newest_first().map(|key| key.public().kid().clone()).collect();
        assert_eq!(order, [new, old]);
    }
}
