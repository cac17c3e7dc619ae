//! `--secrets-dir`: one directory per integration, in memory only. An SCM integration has `client_secret`, an LLM
//! integration `api_key` and, if it has headers, `headers.json`; both have `config.json`, without secrets.
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::object;
use crate::{
    agent::{
        configuration::Configuration,
        dir,
        llm::{self, OpenedLlm},
        opener::Opener,
    },
    domain::id::IntegrationId,
    error::{Error, Kind, Result},
    private_file,
};

const SECRET: &str = "client_secret";
const API_KEY: &str = "api_key";
const HEADERS: &str = "headers.json";
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
            let Some(folder) = self.folder(&integration.id, &mut kept)? else { continue };
            let outcome = opener.client_secret(integration)?;
            let outcome = outcome.as_deref();
            let secret = outcome.and_then(|outcome| outcome.secret());
            put(&folder.join(SECRET), secret.map(|secret| secret.expose().as_bytes()))?;
            let settings = object::integration(integration, outcome, false).to_string();
            put(&folder.join(CONFIG), Some(settings.as_bytes()))?;
        }
        for integration in configuration.llm_integrations() {
            let found = llm::plain(integration);
            let Some(folder) = self.folder(&found.id, &mut kept)? else { continue };
            let secrets = OpenedLlm::open(opener, integration)?;
            let key = secrets.api_key.secret().map(|key| key.expose().as_bytes());
            put(&folder.join(API_KEY), key)?;
            let headers = object::headers(found, &secrets, true);
            let text = Zeroizing::new(serde_json::to_vec(&headers).map_err(Error::internal)?);
            put(&folder.join(HEADERS), (!headers.is_empty()).then_some(text.as_slice()))?;
            let settings = object::llm_integration(integration, &secrets, false).to_string();
            put(&folder.join(CONFIG), Some(settings.as_bytes()))?;
        }
        self.remove_all_but(&kept)
    }

    /// The place of an integration, which is kept from now on; what has no valid id has no place either.
    fn folder(&self, id: &str, kept: &mut BTreeSet<String>) -> Result<Option<PathBuf>> {
        let Ok(id) = IntegrationId::parse("id", id) else { return Ok(None) };
        let name = id.to_string();
        let folder = self.path.join(&name);
        kept.insert(name);
        private_file::create_dir(&folder).map_err(|source| dir::unusable(&folder, source))?;
        Ok(Some(folder))
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

/// Writes a file, or removes it.
fn put(path: &Path, content: Option<&[u8]>) -> Result<()> {
    let Some(content) = content else { return remove(path) };
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
