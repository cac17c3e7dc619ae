//! Re-sealing: what is sealed with a key that was replaced is opened with it and sealed with the new one.
use std::collections::BTreeMap;

use super::{
    dir::AgentDir,
    keys::KeyDir,
    opener::Opener,
    register::{Session, refused},
};
use crate::{
    client::{ClientError, Code},
    domain::{id::parse_uuid, secret::Kid, secret_field::SecretField},
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        KeyState, ListKeysRequest, ListSecretsToResealRequest, ResealSecretRequest, RunnerKey, SecretToReseal,
    },
    seal::{Place, PublicKey, seal},
};

/// How often all that is left is listed again although nothing of it could be re-sealed: others may be at it.
const IDLE_PASSES: u32 = 3;

/// How re-sealing went.
#[derive(Debug, Default)]
pub struct Resealed {
    /// How many secrets are under the new key now, by this agent's work.
    pub done: usize,
    /// Those that cannot be opened here, and why: to be entered again.
    pub stuck: Vec<Stuck>,
}

/// A secret that stays under its old key.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// What it belongs to.
    pub sub: String,
    /// Which secret of it.
    pub field: String,
    /// Why.
    pub reason: String,
}

/// Which secret: object, field, name.
type Which = (String, String, String);

/// Re-seals every secret of the runner that is under a RETIRING key, page after page, until none is left
/// that can be opened here. Interrupted anywhere, it goes on where it stopped when it is called again.
/// `progress` is told how many are done and how many there are.
///
/// # Errors
/// [`Kind::Precondition`] if the runner's ACTIVE key is not in the key directory, [`Kind::Conflict`] if others
/// keep changing what is left, and whatever the server says.
pub async fn reseal(
    session: &Session,
    dir: &AgentDir,
    keys: &KeyDir,
    progress: impl Fn(usize, usize),
) -> Result<Resealed> {
    let mut opener = Opener::new(session.runner_id, dir, keys)?;
    let (mut done, mut stuck, mut idle) = (0, BTreeMap::new(), 0);
    loop {
        let mut left = stale(session).await?;
        left.retain(|secret| !stuck.contains_key(&which(secret)));
        if left.is_empty() {
            return Ok(Resealed { done, stuck: stuck.into_values().collect() });
        }
        let active = active_key(session, keys).await?;
        let (before, total) = (done + stuck.len(), done + left.len());
        for secret in &left {
            match one(session, &mut opener, &active, secret).await? {
                Step::Done => {
                    done += 1;
                    progress(done, total);
                }
                Step::Changed => {}
                Step::Stuck(reason) => {
                    let (sub, field) = (secret.sub.clone(), secret.field.clone());
                    stuck.insert(which(secret), Stuck { sub, field, reason });
                }
            }
        }
        idle = if done + stuck.len() == before { idle + 1 } else { 0 };
        if idle == IDLE_PASSES {
            return Err(Error::new(Kind::Conflict, "others keep changing these secrets; try again later"));
        }
    }
}

enum Step {
    Done,
    /// Somebody was faster; the next list tells.
    Changed,
    Stuck(String),
}

async fn one(
    session: &Session,
    opener: &mut Opener,
    active: &PublicKey,
    secret: &SecretToReseal,
) -> Result<Step> {
    let unknown = || Error::new(Kind::DataLoss, "the server lists a secret that this release does not know");
    let field = SecretField::from_wire_name(&secret.field).ok_or_else(unknown)?;
    let [a, b, c] = &secret.destination[..] else { return Err(unknown()) };
    let place = Place { runner: session.runner_id, sub: parse_uuid("sub", &secret.sub)?, field, a, b, c };
    let outcome = opener.open(&secret.sealed, &secret.old_kid, &place)?;
    let Some(opened) = outcome.secret() else { return Ok(Step::Stuck(outcome.reason().to_owned())) };
    let request = ResealSecretRequest {
        sub: secret.sub.clone(),
        field: secret.field.clone(),
        name: secret.name.clone(),
        expected_version: secret.version,
        expected_old_kid: secret.old_kid.clone(),
        new_sealed: seal(active, &place, opened)?.bytes,
        new_kid: active.kid().0.clone(),
    };
    match session.client.call(&request).await {
        Ok(_) => Ok(Step::Done),
        Err(error) if changed(&error) => Ok(Step::Changed),
        Err(error) => Err(refused(error)),
    }
}

/// Whether the secret, or the keys, are not what they were when it was listed.
fn changed(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(Code::Aborted | Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument)
    )
}

fn which(secret: &SecretToReseal) -> Which {
    (secret.sub.clone(), secret.field.clone(), secret.name.clone())
}

/// What is still under a RETIRING key.
pub(super) async fn stale(session: &Session) -> Result<Vec<SecretToReseal>> {
    let runner_id = session.runner_id.to_string();
    let request = ListSecretsToResealRequest { runner_id, ..Default::default() };
    session.client.list(request).await.map_err(refused)
}

/// The runner's keys as the server has them.
pub(super) async fn known_keys(session: &Session) -> Result<Vec<RunnerKey>> {
    let request = ListKeysRequest { runner_id: session.runner_id.to_string(), ..Default::default() };
    session.client.list(request).await.map_err(refused)
}

/// The ACTIVE key, if it is ours: sealed is only with what is in our own directory, whatever the server says.
async fn active_key(session: &Session, keys: &KeyDir) -> Result<PublicKey> {
    let known = known_keys(session).await?;
    let active = known.iter().find(|key| key.state() == KeyState::Active);
    let ours = keys.load()?;
    let ours = active.and_then(|active| ours.ring.get(&Kid(active.kid.clone())));
    ours.map(|key| key.public().clone()).ok_or_else(|| {
        let path = keys.path().display();
        Error::new(
            Kind::Precondition,
            format!("the runner has no ACTIVE key, or it is not in {path}; nothing more was re-sealed"),
        )
    })
}
