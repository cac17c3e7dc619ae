//! The configuration of this runner, checked against what each secret is bound to, and opened.
use std::sync::Arc;

use super::{
    dir::AgentDir,
    keys::KeyDir,
    llm::OpenedLlm,
    opener::{Opener, Outcome},
    register::{Session, refused},
    secrets,
};
use crate::{
    domain::{id::RunnerId, secret::Kid},
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        ConfiguredIntegration, ConfiguredLlmIntegration, GetConfigurationRequest, KeyState, ListKeysRequest,
    },
};

/// The runner's configuration at one revision.
#[derive(Debug)]
pub struct Configuration {
    /// The runner it belongs to.
    pub runner_id: RunnerId,
    /// Identifies the server's history.
    pub epoch: String,
    /// Grows with every change.
    pub revision: u64,
    /// Every integration of the runner.
    pub integrations: Vec<Opened>,
    /// Every LLM integration of the runner, and what became of its secrets.
    pub llm_integrations: Vec<(ConfiguredLlmIntegration, OpenedLlm)>,
    /// The Honeycomb key of the runner's own configuration, if one is set.
    pub honeycomb_api_key: Option<Arc<Outcome>>,
}

impl Configuration {
    /// Every sealed secret: what people know it by, and what became of it.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, Arc<Outcome>)> {
        let client_secrets = self.integrations.iter().filter_map(|one| {
            one.secret.as_ref().map(|outcome| (one.integration.host.clone(), Arc::clone(outcome)))
        });
        let llm = self.llm_integrations.iter().flat_map(|(one, opened)| secrets::of_llm(one, opened));
        let honeycomb = self.honeycomb_api_key.iter();
        let honeycomb = honeycomb.map(|found| ("the runner's Honeycomb key".to_owned(), Arc::clone(found)));
        client_secrets.chain(llm.map(|found| (found.title, found.outcome))).chain(honeycomb).collect()
    }
}

/// One integration and what became of its secret.
#[derive(Debug)]
pub struct Opened {
    /// The integration as the server sent it.
    pub integration: ConfiguredIntegration,
    /// What became of its client secret; `None` if OAuth is off.
    pub secret: Option<Arc<Outcome>>,
}

/// Gets the configuration and opens every secret in it.
///
/// # Errors
/// [`Kind::Precondition`] while the server's ACTIVE key is not in the key directory, [`Kind::DataLoss`] if
/// the answer is another runner's, and whatever the server says. A secret that cannot be opened is no error
/// here: see [`Outcome`].
pub async fn fetch(session: &Session, dir: &AgentDir, keys: &KeyDir) -> Result<Configuration> {
    require_active_key(session, keys).await?;
    let answer = session.client.call(&GetConfigurationRequest::default()).await.map_err(refused)?;
    if RunnerId::parse("runner_id", &answer.runner_id).ok() != Some(session.runner_id) {
        return Err(Error::new(Kind::DataLoss, "the server answered with another runner's configuration"));
    }
    let mut opener = Opener::new(session.runner_id, dir, keys)?;
    let honeycomb_api_key = opener.honeycomb(answer.spec.as_ref(), &answer.honeycomb_kid)?;
    let integrations = answer
        .integrations
        .into_iter()
        .map(|integration| Ok(Opened { secret: opener.client_secret(&integration)?, integration }))
        .collect::<Result<_>>()?;
    let llm_integrations = answer
        .llm_integrations
        .into_iter()
        .map(|one| {
            let secrets = OpenedLlm::open(&mut opener, &one)?;
            Ok((one, secrets))
        })
        .collect::<Result<_>>()?;
    Ok(Configuration {
        runner_id: session.runner_id,
        epoch: answer.epoch,
        revision: answer.revision,
        integrations,
        llm_integrations,
        honeycomb_api_key,
    })
}

/// The runner's ACTIVE key, if it has one. Refuses to work while new secrets are sealed with a key that is not
/// ours: either this is not the runner's key directory, or somebody slipped the server another key.
///
/// # Errors
/// [`Kind::Precondition`] if the key is not in the directory, and whatever the server says.
pub async fn require_active_key(session: &Session, keys: &KeyDir) -> Result<Option<Kid>> {
    let request = ListKeysRequest { runner_id: session.runner_id.to_string(), ..Default::default() };
    let known = session.client.list(request).await.map_err(refused)?;
    let Some(active) = known.iter().find(|key| key.state() == KeyState::Active) else { return Ok(None) };
    let ours = keys.load()?;
    // The fingerprint is computed here: what the server says about a key proves nothing.
    let held = ours.ring.iter().find(|key| active.public_key == key.public().wire_bytes());
    match held {
        Some(key) => Ok(Some(key.public().kid().clone())),
        None => Err(not_ours(&active.fingerprint, keys)),
    }
}

/// Why an agent does not work: `name` is the ACTIVE key's fingerprint or kid.
pub(super) fn not_ours(name: &str, keys: &KeyDir) -> Error {
    Error::new(
        Kind::Precondition,
        format!(
            "the runner's ACTIVE key {name} is not in {}: put the runner's own key there, or name its directory with \
             --key-dir; if nobody at your side registered that key, have an administrator run `sealink runner key \
             revoke`",
            keys.path().display()
        ),
    )
}
