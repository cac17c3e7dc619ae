//! The server's own directory: its lock, the root key and the first administrator's token.
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    at_rest::{RootKey, RootKeyError},
    error::{Error, Kind, Result},
    private_file,
    service::TokenDelivery,
};

/// The file whose lock says that a server runs here.
const LOCK: &str = "lock";
/// The root key.
const ROOT_KEY: &str = "root.key";
/// The one that takes its place, until it has.
const NEXT_ROOT_KEY: &str = "root.key.next";

/// The data directory, locked for as long as this value lives.
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens the directory, making it with mode 0700 if it is not there, and locks it. One that others may enter
    /// is narrowed if it is empty or was used before.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if another server holds it, or if others may enter a directory that is not
    /// Sealink's alone; [`Kind::Unavailable`] if it cannot be made.
    pub fn open(path: &Path) -> Result<Self> {
        let describe = |error| {
            let message = format!("the data directory {} cannot be used: {error}", path.display());
            Error::new(Kind::Unavailable, message)
        };
        private_file::create_dir(path).map_err(describe)?;
        keep_private(path)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(describe)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let message = format!("another server is running on the data directory {}", path.display());
                Error::new(Kind::Precondition, message)
            }
            TryLockError::Error(error) => describe(error),
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The root key; made only while there is no keyring that another one must open.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if it is missing or cannot be used.
    pub(crate) fn root_key(&self, has_keyring: bool) -> Result<RootKey> {
        let path = self.root_key_path();
        if path.exists() {
            return RootKey::load(&path).map_err(|error| refused(&error));
        }
        if has_keyring {
            let message = format!(
                "{} is missing, and the database's keyring opens with no other: restore it from its backup",
                path.display()
            );
            return Err(Error::new(Kind::Precondition, message));
        }
        RootKey::create(&path).map_err(|error| refused(&error))
    }

    /// Where the root key is.
    pub(crate) fn root_key_path(&self) -> PathBuf {
        self.path.join(ROOT_KEY)
    }

    /// Ends a change of the root key that was interrupted: if the present one does not fit the database and the next one
    /// does, that takes its place. Else everything stays as it is.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if a key cannot be read or moved; those of `fits`.
    pub(crate) fn settle_root_key(&self, fits: impl Fn(&RootKey) -> Result<bool>) -> Result<()> {
        let (present, next) = (self.root_key_path(), self.path.join(NEXT_ROOT_KEY));
        if !next.exists() {
            return Ok(());
        }
        let fits = |path: &Path| fits(&RootKey::load(path).map_err(|error| refused(&error))?);
        if (!present.exists() || !fits(&present)?) && fits(&next)? {
            self.adopt_next_root_key()?;
            // Said whatever the log level: from now on a backup needs this file.
            eprintln!("the change of the root key is finished: {}", present.display());
        }
        Ok(())
    }

    /// A new root key, beside the present one.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if it cannot be written.
    pub(crate) fn next_root_key(&self) -> Result<RootKey> {
        let path = self.path.join(NEXT_ROOT_KEY);
        // Of a change that was interrupted before it changed anything.
        let _ = fs::remove_file(&path);
        RootKey::create(&path).map_err(|error| refused(&error))
    }

    /// Gives the next root key the place of the present one, durably.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the directory cannot be written.
    pub(crate) fn adopt_next_root_key(&self) -> Result<()> {
        let moved = fs::rename(self.path.join(NEXT_ROOT_KEY), self.root_key_path())
            .and_then(|()| File::open(&self.path)?.sync_all());
        moved.map_err(|error| {
            let message = format!("{NEXT_ROOT_KEY} cannot take the place of {ROOT_KEY}: {error}");
            Error::new(Kind::Precondition, message)
        })
    }

    fn admin_token(&self) -> PathBuf {
        self.path.join("admin-token")
    }
}

impl TokenDelivery for DataDir {
    fn deliver(&self, token: &str) -> Result<()> {
        let path = self.admin_token();
        let text = Zeroizing::new(format!("{token}\n"));
        private_file::write(&path, text.as_bytes()).map_err(|error| {
            Error::new(Kind::Unavailable, "the admin token cannot be written").caused_by(error)
        })?;
        // Said whatever the log level: nobody gets in without it.
        eprintln!("the administrator's token is in {}", path.display());
        Ok(())
    }

    fn withdraw(&self) -> Result<()> {
        tracing::info!("another server has made the administrator: its data directory has the token");
        fs::remove_file(self.admin_token()).map_err(|error| {
            Error::new(Kind::Unavailable, "an admin token that opens nothing cannot be removed")
                .caused_by(error)
        })
    }
}

/// Nobody else may enter. A directory with other things in it may be shared for a reason, so that one is refused.
fn keep_private(path: &Path) -> Result<()> {
    if !private_file::is_open_to_others(path).unwrap_or(true) {
        return Ok(());
    }
    let mode = private_file::mode(path).unwrap_or_default();
    let shown = path.display();
    let empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if (path.join(LOCK).exists() || empty()) && private_file::narrow_dir(path).is_ok() {
        // Said whatever the log level: until now others could look.
        eprintln!("the data directory {shown} had mode {mode:04o}, which lets others in: it has 0700 now");
        return Ok(());
    }
    let message = format!(
        "the data directory {shown} has mode {mode:04o}, which lets others in: run chmod 700 {shown}, or name a \
         directory of its own with --data-dir"
    );
    Err(Error::new(Kind::Precondition, message))
}

fn refused(error: &RootKeyError) -> Error {
    Error::new(Kind::Precondition, format!("the root key: {error}"))
}
