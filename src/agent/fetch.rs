//! The configuration of this runner, checked against what each secret is bound to, and opened.
use super::{
    attempts::{Attempts, MAX_FAILURES},
    dir::AgentDir,
    keys::{KeyDir, Keys},
    register::{Session, refused},
};
use crate::{
    clock::Clock,
    domain::{
        id::{IntegrationId, RunnerId},
        secret::{Kid, Sealed, Secret},
    },
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        ConfiguredIntegration, GetConfigurationRequest, GetConfigurationResponse, KeyState, ListKeysRequest,
    },
    seal::{
        Field, Place,
        open::{self, OpenError, Reason},
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
    /// The Honeycomb key of the runner's own configuration, if one is set.
    pub honeycomb_api_key: Option<Outcome>,
}

/// One integration and what became of its secret.
#[derive(Debug)]
pub struct Opened {
    /// The integration as the server sent it.
    pub integration: ConfiguredIntegration,
    /// What became of its client secret; `None` if OAuth is off.
    pub secret: Option<Outcome>,
}

/// What became of one sealed secret.
#[derive(Debug)]
pub enum Outcome {
    /// Opened.
    Ok(Secret),
    /// Wiped at the server because its key was revoked: it must be entered again.
    Missing,
    /// Not what belongs here; not even tried.
    Rejected(String),
    /// Sealed with a key that is not here, or damaged.
    Undecryptable(String),
}

impl Outcome {
    /// The state's name in the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok(_) => "OK",
            Self::Missing => "MISSING",
            Self::Rejected(_) => "REJECTED",
            Self::Undecryptable(_) => "UNDECRYPTABLE",
        }
    }

    /// Why the secret cannot be used, and what helps; empty if it can.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Ok(_) => "",
            Self::Missing => "its key was revoked; enter the secret again",
            Self::Rejected(reason) | Self::Undecryptable(reason) => reason,
        }
    }
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
    let honeycomb_api_key = opener.honeycomb(&answer)?;
    let integrations = answer
        .integrations
        .into_iter()
        .map(|integration| Ok(Opened { secret: opener.client_secret(&integration)?, integration }))
        .collect::<Result<_>>()?;
    Ok(Configuration {
        runner_id: session.runner_id,
        epoch: answer.epoch,
        revision: answer.revision,
        integrations,
        honeycomb_api_key,
    })
}

/// Refuses to work while new secrets are sealed with a key that is not ours: either this is not the
/// runner's key directory, or somebody slipped the server another key.
async fn require_active_key(session: &Session, keys: &KeyDir) -> Result<()> {
    let request = ListKeysRequest { runner_id: session.runner_id.to_string(), ..Default::default() };
    let known = session.client.list(request).await.map_err(refused)?;
    let Some(active) = known.iter().find(|key| key.state() == KeyState::Active) else { return Ok(()) };
    let ours = keys.load()?;
    // The fingerprint is computed here: what the server says about a key proves nothing.
    if ours.ring.iter().any(|key| active.public_key == key.public().wire_bytes()) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Precondition,
        format!(
            "the runner's ACTIVE key {} is not in {}: put the runner's own key there, or name its directory with \
             --key-dir; if nobody at your side registered that key, have an administrator run `sealink runner key \
             revoke`",
            active.fingerprint,
            keys.path().display()
        ),
    ))
}

/// Opens ciphertexts with the keys of a directory, within the limit of failed attempts.
pub(super) struct Opener<'a> {
    runner: RunnerId,
    dir: &'a AgentDir,
    keys: &'a KeyDir,
    loaded: Keys,
    attempts: Attempts,
    clock: Clock,
}

impl<'a> Opener<'a> {
    pub(super) fn new(runner: RunnerId, dir: &'a AgentDir, keys: &'a KeyDir) -> Result<Self> {
        let (loaded, attempts) = (keys.load()?, Attempts::load(dir));
        Ok(Self { runner, dir, keys, loaded, attempts, clock: Clock::System })
    }
}

impl Opener<'_> {
    fn client_secret(&mut self, integration: &ConfiguredIntegration) -> Result<Option<Outcome>> {
        if integration.client_id.is_empty() {
            return Ok(None);
        }
        let Ok(id) = IntegrationId::parse("id", &integration.id) else {
            return Ok(Some(Outcome::Rejected("its integration has no valid id".to_owned())));
        };
        let place = Place {
            runner: self.runner,
            sub: id.0,
            field: Field::OauthClientSecret,
            a: &integration.host,
            b: &integration.issuer_url,
            c: &integration.client_id,
        };
        self.open(&integration.encrypted_client_secret, &integration.kid, &place).map(Some)
    }

    fn honeycomb(&mut self, answer: &GetConfigurationResponse) -> Result<Option<Outcome>> {
        let configuration = answer.spec.as_ref().and_then(|spec| spec.configuration.as_ref());
        let Some(sealed) = configuration.map(|found| &found.encrypted_honeycomb_api_key) else {
            return Ok(None);
        };
        if sealed.is_empty() {
            return Ok(None);
        }
        let place = Place {
            runner: self.runner,
            sub: self.runner.0,
            field: Field::RunnerHoneycombApiKey,
            a: "",
            b: "",
            c: "",
        };
        self.open(sealed, &answer.honeycomb_kid, &place).map(Some)
    }

    /// Opens one ciphertext, or says why not.
    pub(super) fn open(&mut self, bytes: &[u8], kid: &str, place: &Place<'_>) -> Result<Outcome> {
        if bytes.is_empty() {
            return Ok(Outcome::Missing);
        }
        let sealed = Sealed { bytes: bytes.to_vec(), kid: Kid(kid.to_owned()) };
        if self.loaded.ring.get(&sealed.kid).is_none() {
            // Another agent of this runner may have written it meanwhile.
            self.loaded = self.keys.load()?;
        }
        if !self.attempts.may_try(self.clock.now()) {
            return Ok(Outcome::Undecryptable(format!(
                "not tried: {MAX_FAILURES} opens failed within an hour; try again later"
            )));
        }
        let error = match open::open(&self.loaded.ring, place, &sealed) {
            Ok(secret) => return Ok(Outcome::Ok(secret)),
            Err(error) => error,
        };
        // Only these two have used a private key.
        if matches!(error, OpenError::Undecryptable | OpenError::Rejected(Reason::Plaintext)) {
            self.attempts.failed(self.dir, self.clock.now())?;
        }
        Ok(match error {
            OpenError::Rejected(reason) => Outcome::Rejected(explain(reason)),
            OpenError::UnknownKid => {
                Outcome::Undecryptable(format!("its key is not in {}", self.keys.path().display()))
            }
            OpenError::Undecryptable => Outcome::Undecryptable(
                "damaged, or not sealed for this key; enter the secret again".to_owned(),
            ),
        })
    }
}

/// What a reason means to the people who run the agent.
fn explain(reason: Reason) -> String {
    let meaning = match reason {
        Reason::Context => "host, issuer or client id are not those it was entered for",
        Reason::Audience => "it was sealed for another runner",
        Reason::Subject => "it was sealed for another integration",
        Reason::Kid => "it names another key than the server does",
        Reason::Plaintext => "what was inside is not a secret that the API accepts",
        _ => "it is not in the format of this runner's key",
    };
    format!("{}: {meaning}; do not use it, enter the secret again", reason.as_str())
}
