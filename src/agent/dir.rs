//! An agent's own directory: which server, which runner, and the token.
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    client::{Server, Token},
    domain::id::RunnerId,
    error::{Error, Kind, Result},
    private_file,
};

const STATE: &str = "state.json";
const LOCK: &str = "lock";
const RUN_LOCK: &str = "run-lock";
const MAX_STATE_BYTES: u64 = 64 << 10;

/// `--agent-dir`, mode 0700.
#[derive(Clone, Debug)]
pub struct AgentDir {
    path: PathBuf,
}

/// What a registered agent knows of its server.
#[derive(Debug)]
pub struct State {
    /// Where the server is.
    pub server: Server,
    /// Which runner this is; unknown only between the exchange of the token and the first call with it.
    pub runner_id: Option<RunnerId>,
    /// The runner's own token.
    pub token: Token,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    server: String,
    runner_id: Option<String>,
    token: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    server: String,
    runner_id: Option<String>,
    token: String,
}

/// Held while a directory is changed; let go when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl AgentDir {
    /// Opens the directory, and makes it if there is none.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if it cannot be made, or if others than its owner may look into it.
    pub fn create(path: &Path) -> Result<Self> {
        private_file::create_dir(path).map_err(|source| unusable(path, source))?;
        Self::open(path)
    }

    /// Opens the directory of an agent that was set up before.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        require_private(path, "700")?;
        Ok(Self { path: path.to_owned() })
    }

    /// What the agent knows; `None` before its first registration.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the file cannot be read, or others may read it; [`Kind::DataLoss`] if it
    /// does not hold what was written.
    pub fn state(&self) -> Result<Option<State>> {
        let path = self.path.join(STATE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| unusable(&path, source))?,
        };
        require_private(&path, "600")?;
        let text =
            private_file::read_text(file, MAX_STATE_BYTES).map_err(|source| unusable(&path, source))?;
        let damaged = || {
            let message = format!("{} is damaged; remove it and register again", path.display());
            Error::new(Kind::DataLoss, message)
        };
        // No cause: serde's texts quote what they read.
        let read: Read = serde_json::from_str(&text).map_err(|_| damaged())?;
        let token = Zeroizing::new(read.token);
        Ok(Some(State {
            server: Server::parse(&read.server).map_err(|_| damaged())?,
            runner_id: read
                .runner_id
                .map(|id| RunnerId::parse("runnerId", &id))
                .transpose()
                .map_err(|_| damaged())?,
            token: Token::parse(STATE, &token).map_err(|_| damaged())?,
        }))
    }

    /// Writes the state, whole or not at all, mode 0600.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the disk will not have it.
    pub fn save(&self, state: &State) -> Result<()> {
        let written = Written {
            server: state.server.to_string(),
            runner_id: state.runner_id.map(|id| id.to_string()),
            token: state.token.expose(),
        };
        let json = Zeroizing::new(serde_json::to_vec_pretty(&written).map_err(Error::internal)?);
        self.write(STATE, &json)
    }

    /// Writes a private file into the directory.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        private_file::write(&path, content).map_err(|source| unusable(&path, source))
    }

    /// Where a file of the directory is.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes sure that one process at a time runs as this agent.
    ///
    /// # Errors
    /// [`Kind::Precondition`] while another one does.
    pub fn run_alone(&self) -> Result<Lock> {
        let path = self.path.join(RUN_LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| unusable(&path, source))?;
        file.try_lock().map(|()| Lock { _file: file }).map_err(|_| {
            let message = format!(
                "another agent runs in {}; give each its own --agent-dir, and all the same --key-dir",
                self.path.display()
            );
            Error::new(Kind::Precondition, message)
        })
    }

    /// Waits until no other agent changes this directory.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the lock file cannot be made.
    pub fn lock(&self) -> Result<Lock> {
        lock(&self.path)
    }
}

/// Waits until nobody else changes `dir`.
pub(super) fn lock(dir: &Path) -> Result<Lock> {
    lock_file(&dir.join(LOCK))
}

/// Waits until nobody else holds the lock of this name.
pub(super) fn lock_file(path: &Path) -> Result<Lock> {
    let open = || -> io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    open().map(|file| Lock { _file: file }).map_err(|source| unusable(path, source))
}

/// Refuses a file or directory that others than its owner may use.
pub(super) fn require_private(path: &Path, mode: &str) -> Result<()> {
    if fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let message = format!("there is no {}; run `sealink agent register` first", path.display());
        return Err(Error::new(Kind::Precondition, message));
    }
    if private_file::is_open_to_others(path).map_err(|source| unusable(path, source))? {
        let path = path.display();
        let message =
            format!("{path} is open to other users; run `chmod {mode} {path}` if you trust its content");
        return Err(Error::new(Kind::Precondition, message));
    }
    Ok(())
}

/// A file or directory of the agent that cannot be used.
pub(super) fn unusable(path: &Path, source: io::Error) -> Error {
    Error::new(Kind::Precondition, format!("cannot use {}", path.display())).caused_by(source)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn state() -> State {
        State {
            server: Server::parse("http://127.0.0.1:7400/api").unwrap(),
            runner_id: Some(RunnerId::parse("id", "0198a7c0-0000-7000-8000-000000000001").unwrap()),
            token: Token::parse("test", "sealink_run_canary").unwrap(),
        }
    }

    #[test]
    fn state_survives_and_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/agent");
        let dir = AgentDir::create(&path).unwrap();
        assert!(dir.state().unwrap().is_none());
        dir.save(&state()).unwrap();
        let read = AgentDir::open(&path).unwrap().state().unwrap().unwrap();
        assert_eq!(read.server, state().server);
        assert_eq!(read.runner_id, state().runner_id);
        assert_eq!(read.token.expose(), "sealink_run_canary");
        assert!(!format!("{read:?}").contains("canary"));
        assert_eq!((mode(&path), mode(&path.join(STATE))), (0o700, 0o600));
    }

    #[test]
    fn what_others_may_read_is_refused_with_a_cure() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("agent");
        let dir = AgentDir::create(&path).unwrap();
        dir.save(&state()).unwrap();
        fs::set_permissions(path.join(STATE), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(dir.state().unwrap_err().message().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(AgentDir::create(&path).unwrap_err().message().contains("chmod 700"));
    }

    #[test]
    fn damaged_state_says_so_without_quoting_it() {
        let parent = tempfile::tempdir().unwrap();
        let dir = AgentDir::create(&parent.path().join("agent")).unwrap();
        for text in
            ["", "{}", r#"{"server":"x","token":"canary"}"#, r#"{"server":"http://h","token":["canary"]}"#]
        {
            dir.write(STATE, text.as_bytes()).unwrap();
            let error = dir.state().unwrap_err();
            assert_eq!(error.kind(), Kind::DataLoss, "{text}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
