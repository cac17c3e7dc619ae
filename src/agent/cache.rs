//! The configuration on the agent's own disk: ciphertext as received, so that a restart without the server goes on
//! where it was.
//!
//! One file, written whole: a line that names the format, eight bytes of time, SHA-256, the snapshot as protobuf.
use std::{fs::File, io::Read};

use prost::Message;
use sha2::{Digest, Sha256};

use super::{
    configuration::Configuration,
    dir::{AgentDir, unusable},
};
use crate::{
    clock::Instant,
    domain::id::RunnerId,
    error::{Error, Result},
    pb::sealink::v1::WatchConfigurationResponse,
};

const FILE: &str = "configuration";
const FORMAT: &[u8] = b"sealink-agent-configuration/1\n";
const TIME: usize = 8;
const HASH: usize = 32;
const MAX_BYTES: u64 = 64 << 20;

/// Writes the configuration; the disk has it when this returns.
///
/// # Errors
/// [`Kind::Precondition`](crate::error::Kind::Precondition) if the disk will not have it.
pub fn save(dir: &AgentDir, runner: RunnerId, configuration: &Configuration) -> Result<()> {
    let body = configuration.to_snapshot(runner).encode_to_vec();
    let time = configuration.confirmed_at.0.to_be_bytes();
    let hash = Sha256::new().chain_update(time).chain_update(&body).finalize();
    dir.write(FILE, &[FORMAT, &time, hash.as_slice(), &body].concat())
}

/// Reads what was saved; `None` if there is nothing, or nothing whole of this runner: then the server has it.
///
/// # Errors
/// [`Kind::Precondition`](crate::error::Kind::Precondition) if the file is there and cannot be read.
pub fn load(dir: &AgentDir, runner: RunnerId) -> Result<Option<Configuration>> {
    let path = dir.at(FILE);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => Ok(parse(&bytes, runner)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unusable(&path, source)),
    }
}

/// Forgets the configuration, as after a server that was restored to another history.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) if the file stays.
pub fn forget(dir: &AgentDir) -> Result<()> {
    match std::fs::remove_file(dir.at(FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

fn parse(bytes: &[u8], runner: RunnerId) -> Option<Configuration> {
    let rest = bytes.strip_prefix(FORMAT)?;
    let (time, rest) = rest.split_first_chunk::<TIME>()?;
    let (hash, body) = rest.split_first_chunk::<HASH>()?;
    let expected = Sha256::new().chain_update(time).chain_update(body).finalize();
    if expected.as_slice() != hash {
        return None;
    }
    let message = WatchConfigurationResponse::decode(body).ok()?;
    let confirmed_at = Instant(i64::from_be_bytes(*time));
    Configuration::default().after(message, runner, confirmed_at).ok().map(|(configuration, _)| configuration)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use uuid::Uuid;

    use super::*;
    use crate::{
        pb::sealink::v1::{ConfigurationSnapshot, watch_configuration_response::Event},
        private_file,
    };

    const RUNNER: RunnerId = RunnerId(Uuid::from_u128(1));

    fn some() -> Configuration {
        let snapshot = ConfigurationSnapshot { runner_id: RUNNER.to_string(), objects: Vec::new() };
        let message = WatchConfigurationResponse {
            epoch: "e".to_owned(),
            revision: 7,
            event: Some(Event::Snapshot(snapshot)),
        };
        Configuration::default().after(message, RUNNER, Instant(42)).unwrap().0
    }

    #[test]
    fn what_was_saved_is_read_again_with_its_age() {
        let parent = tempfile::tempdir().unwrap();
        let dir = AgentDir::create(&parent.path().join("agent")).unwrap();
        assert!(load(&dir, RUNNER).unwrap().is_none());
        save(&dir, RUNNER, &some()).unwrap();
        let read = load(&dir, RUNNER).unwrap().unwrap();
        assert_eq!((read.epoch.as_str(), read.revision, read.confirmed_at), ("e", 7, Instant(42)));
        assert!(!private_file::is_open_to_others(&dir.at(FILE)).unwrap());
        assert!(load(&dir, RunnerId(Uuid::from_u128(2))).unwrap().is_none(), "another runner's");
        forget(&dir).unwrap();
        forget(&dir).unwrap();
        assert!(load(&dir, RUNNER).unwrap().is_none());
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let parent = tempfile::tempdir().unwrap();
        let dir = AgentDir::create(&parent.path().join("agent")).unwrap();
        save(&dir, RUNNER, &some()).unwrap();
        let whole = fs::read(dir.at(FILE)).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(dir.at(FILE), &damaged).unwrap();
            assert!(load(&dir, RUNNER).unwrap().is_none(), "byte {at}");
            fs::write(dir.at(FILE), &whole[..at]).unwrap();
            assert!(load(&dir, RUNNER).unwrap().is_none(), "cut at {at}");
        }
    }
}
