//! Rotation: a new key takes over from the old one, and everything that was sealed with the old one moves.
//!
//! ```text
//! make the key, on disk -> register it, proving both -> re-seal every secret -> the old key is RETIRED
//! ```
//!
//! Whatever interrupts it, the next rotation first finishes the one that was begun: what has been done is on
//! the disk and at the server, and nowhere else.
use super::{
    dir::{self, AgentDir, Lock},
    keys::KeyDir,
    register::{Registered, Session, register},
    reseal::{Resealed, known_keys, reseal, stale},
};
use crate::{
    domain::secret::Kid,
    error::Result,
    pb::sealink::v1::{KeyState, RunnerKey},
    private_file,
    seal::key::PublicKey,
};

const LOCK: &str = "rotate.lock";

/// How a rotation ended.
#[derive(Debug)]
pub struct Rotated {
    /// The key that was registered; `None` if an earlier rotation was finished instead.
    pub key: Option<Registered>,
    /// What was re-sealed; nothing while the new key waits for approval.
    pub resealed: Resealed,
}

/// What happens, for people to follow.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// An earlier rotation is finished first: so many secrets wait.
    Resuming(usize),
    /// This key is offered.
    Offering(&'a PublicKey),
    /// So many secrets of so many are under the new key.
    Resealed(usize, usize),
}

/// Rotates the runner's key: makes a new one of `bits`, registers it, re-seals everything.
///
/// # Errors
/// As [`register`] and [`reseal`].
pub async fn rotate(
    session: &Session,
    dir: &AgentDir,
    keys: &KeyDir,
    bits: u32,
    report: impl Fn(Progress<'_>),
) -> Result<Rotated> {
    let _lock = lock(keys)?;
    let resealing = |done, total| report(Progress::Resealed(done, total));
    let known = known_keys(session).await?;
    let waiting = unfinished(session, keys, &known).await?;
    if waiting > 0 {
        report(Progress::Resuming(waiting));
        let resealed = reseal(session, dir, keys, resealing).await?;
        return Ok(Rotated { key: None, resealed });
    }
    let kid = match begun(keys, &known)? {
        Some(kid) => kid,
        None => keys.generate(bits)?.public().kid().clone(),
    };
    let key = register(session, keys, Some(&kid), |key| report(Progress::Offering(key))).await?;
    let resealed = match key.state {
        KeyState::Active => reseal(session, dir, keys, resealing).await?,
        _ => Resealed::default(),
    };
    Ok(Rotated { key: Some(key), resealed })
}

/// One rotation at a time in a key directory; the others wait, and then find nothing left to do but theirs.
fn lock(keys: &KeyDir) -> Result<Lock> {
    private_file::create_dir(keys.path()).map_err(|source| dir::unusable(keys.path(), source))?;
    dir::lock_file(&keys.path().join(LOCK))
}

/// How many secrets an earlier rotation left that can be moved now: both keys must be here.
async fn unfinished(session: &Session, keys: &KeyDir, known: &[RunnerKey]) -> Result<usize> {
    let ours = keys.load()?;
    let holds = |kid: &str| ours.ring.get(&Kid(kid.to_owned())).is_some();
    if !known.iter().any(|key| key.state() == KeyState::Active && holds(&key.kid)) {
        return Ok(0);
    }
    Ok(stale(session).await?.iter().filter(|secret| holds(&secret.old_kid)).count())
}

/// The newest key that was made and is not in use yet: the server has never heard of it, or it waits.
fn begun(keys: &KeyDir, known: &[RunnerKey]) -> Result<Option<Kid>> {
    let state_of = |kid: &Kid| known.iter().find(|key| key.kid == kid.0).map(RunnerKey::state);
    let ours = keys.load()?;
    let mut kids = ours.newest_first().map(|key| key.public().kid().clone());
    Ok(kids.find(|kid| matches!(state_of(kid), None | Some(KeyState::Pending))))
}
