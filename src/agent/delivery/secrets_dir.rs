//! `--secrets-dir`: one directory per integration with `client_secret` and `config.json`, in memory only.
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::object;
use crate::{
    agent::{configuration::Configuration, dir, opener::Opener},
    domain::id::IntegrationId,
    error::{Error, Kind, Result},
    private_file,
};

const SECRET: &str = "client_secret";
const CONFIG: &str = "config.json";

/// The directory. Only what is named like an integration in it is ours.
#[derive(Clone, Debug)]
pub struct SecretsDir {
    path: PathBuf,
}

impl SecretsDir {
    /// Makes the directory if there is none.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if it is on a disk and `allow_disk` does not permit that, if it cannot be made,
    /// or if others than its owner may look into it.
    pub fn open(path: &Path, allow_disk: bool) -> Result<Self> {
        private_file::create_dir(path).map_err(|source| dir::unusable(path, source))?;
        dir::require_private(path, "700")?;
        if !allow_disk && !is_in_memory(path).map_err(|source| dir::unusable(path, source))? {
            return Err(Error::new(
                Kind::Precondition,
                format!(
                    "{} is on a disk, which remembers secrets: name a directory on tmpfs such as /run/sealink, or \
                     accept it with --allow-disk",
                    path.display()
                ),
            ));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Makes the directory hold exactly the secrets of a configuration. Each file is replaced by renaming, so a
    /// reader sees the old one or the new one; the secret of an integration changes before its settings say so.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the disk will not have it: some files may have changed then.
    pub fn apply(&self, configuration: &Configuration, opener: &mut Opener) -> Result<()> {
        let mut kept = BTreeSet::new();
        for integration in configuration.integrations() {
            // What has no valid id has no place either.
            let Ok(id) = IntegrationId::parse("id", &integration.id) else { continue };
            let name = id.to_string();
            let folder = self.path.join(&name);
            kept.insert(name);
            private_file::create_dir(&folder).map_err(|source| dir::unusable(&folder, source))?;
            let outcome = opener.client_secret(integration)?;
            let outcome = outcome.as_deref();
            match outcome.and_then(|outcome| outcome.secret()) {
                Some(secret) => write(&folder.join(SECRET), secret.expose().as_bytes())?,
                None => remove(&folder.join(SECRET))?,
            }
            let settings = object::integration(integration, outcome, false).to_string();
            write(&folder.join(CONFIG), settings.as_bytes())?;
        }
        self.remove_all_but(&kept)
    }

    /// Removes every secret.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the disk will not let go.
    pub fn clear(&self) -> Result<()> {
        self.remove_all_but(&BTreeSet::new())
    }

    fn remove_all_but(&self, kept: &BTreeSet<String>) -> Result<()> {
        let unusable = |source| dir::unusable(&self.path, source);
        for entry in fs::read_dir(&self.path).map_err(unusable)? {
            let entry = entry.map_err(unusable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if IntegrationId::parse("id", &name).is_ok() && !kept.contains(&name) {
                fs::remove_dir_all(entry.path()).map_err(unusable)?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    private_file::write(path, content).map_err(|source| dir::unusable(path, source))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(dir::unusable(path, error)),
        _ => Ok(()),
    }
}

/// Whether a directory's files live in memory alone.
#[cfg(target_os = "linux")]
fn is_in_memory(path: &Path) -> io::Result<bool> {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let kind = rustix::fs::statfs(path)?.f_type;
    // Signed or not, and how wide, depends on the machine; the number does not.
    let kind = u64::try_from(i128::from(kind) & 0xffff_ffff).unwrap_or_default();
    Ok(matches!(kind, TMPFS | RAMFS))
}

/// Elsewhere there is no telling.
#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> io::Result<bool> {
    Ok(false)
}
