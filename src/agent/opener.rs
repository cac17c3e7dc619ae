//! Opening what the server shows, each ciphertext once: checks first, few failures, one text for each outcome.
use std::{collections::HashMap, sync::Arc};

use sha2::{Digest, Sha256};

use super::{
    attempts::{Attempts, MAX_FAILURES},
    dir::AgentDir,
    keys::{KeyDir, Keys},
    secrets,
};
use crate::{
    clock::Clock,
    domain::{
        id::{IntegrationId, RunnerId},
        secret::{Kid, Sealed, Secret},
    },
    error::Result,
    pb::{
        gitpod::v1::RunnerSpec,
        sealink::v1::{ConfiguredIntegration, SecretReport},
    },
    seal::{
        Field, Place, PublicKey,
        open::{self, OpenError, Reason},
    },
};

/// How many opened secrets are kept in memory.
const MAX_KEPT: usize = 4_096;
/// How many unusable credentials are remembered.
const MAX_FAULTS: usize = 1_000;

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

    /// The secret, if it was opened.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Ok(secret) => Some(secret),
            _ => None,
        }
    }
}

/// Opens secrets of one runner with the keys of its directory, which is read again for a key it lacks. What was
/// opened is kept by place and ciphertext until [`forget_all`](Self::forget_all) lets it go.
#[derive(Debug)]
pub struct Opener {
    runner: RunnerId,
    dir: AgentDir,
    keys: KeyDir,
    loaded: Keys,
    attempts: Attempts,
    clock: Clock,
    opened: HashMap<[u8; 32], Arc<Outcome>>,
    /// People's credentials that could not be used when a call last needed them.
    faults: Vec<SecretReport>,
}

impl Opener {
    /// Reads the keys as they are now.
    ///
    /// # Errors
    /// As [`KeyDir::load`].
    pub fn new(runner: RunnerId, dir: &AgentDir, keys: &KeyDir) -> Result<Self> {
        Ok(Self {
            runner,
            dir: dir.clone(),
            keys: keys.clone(),
            loaded: keys.load()?,
            attempts: Attempts::load(dir),
            clock: Clock::System,
            opened: HashMap::new(),
            faults: Vec::new(),
        })
    }

    /// Whose secrets it opens.
    #[must_use]
    pub fn runner(&self) -> RunnerId {
        self.runner
    }

    /// The public half of a key of the directory, which is read again if it was not there before.
    ///
    /// # Errors
    /// As [`KeyDir::load`].
    pub fn public_key(&mut self, kid: &Kid) -> Result<Option<PublicKey>> {
        if self.loaded.ring.get(kid).is_none() {
            self.loaded = self.keys.load()?;
        }
        Ok(self.loaded.ring.get(kid).map(|key| key.public().clone()))
    }

    /// The client secret of an integration; `None` if OAuth is off.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn client_secret(&mut self, integration: &ConfiguredIntegration) -> Result<Option<Arc<Outcome>>> {
        if integration.client_id.is_empty() {
            return Ok(None);
        }
        let Ok(id) = IntegrationId::parse("id", &integration.id) else {
            return Ok(Some(Arc::new(Outcome::Rejected("its integration has no valid id".to_owned()))));
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

    /// The Honeycomb key of the runner's own settings; `None` if there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn honeycomb(&mut self, spec: Option<&RunnerSpec>, kid: &str) -> Result<Option<Arc<Outcome>>> {
        let configuration = spec.and_then(|spec| spec.configuration.as_ref());
        let sealed = configuration.map(|found| &found.encrypted_honeycomb_api_key);
        let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) else { return Ok(None) };
        let field = Field::RunnerHoneycombApiKey;
        let place = Place { runner: self.runner, sub: self.runner.0, field, a: "", b: "", c: "" };
        self.open(sealed, kid, &place).map(Some)
    }

    /// Opens one secret for its place, once: asked again, the answer is the same.
    ///
    /// # Errors
    /// If the key directory cannot be read, or a failure cannot be noted. A secret that cannot be opened is no
    /// error here: see [`Outcome`].
    pub fn open(&mut self, bytes: &[u8], kid: &str, place: &Place<'_>) -> Result<Arc<Outcome>> {
        if bytes.is_empty() {
            return Ok(Arc::new(Outcome::Missing));
        }
        let which =
            Sha256::new().chain_update(place.ctx()).chain_update(kid).chain_update(bytes).finalize().into();
        if let Some(known) = self.opened.get(&which) {
            return Ok(Arc::clone(known));
        }
        let (outcome, lasts) = self.try_open(bytes, kid, place)?;
        let outcome = Arc::new(outcome);
        self.note_credential(place, kid, &outcome);
        if lasts {
            if self.opened.len() >= MAX_KEPT {
                self.forget_all();
            }
            self.opened.insert(which, Arc::clone(&outcome));
        }
        Ok(outcome)
    }

    /// Credentials come with calls and are not in the configuration: what became of them is remembered here.
    fn note_credential(&mut self, place: &Place<'_>, kid: &str, outcome: &Outcome) {
        if !matches!(place.field, Field::HostTokenValue | Field::HostTokenRefresh) {
            return;
        }
        let (object_id, field) = (place.sub.to_string(), place.field.wire_name());
        self.faults.retain(|known| known.object_id != object_id || known.field != field);
        if let Some(state) = secrets::state(outcome).filter(|_| self.faults.len() < MAX_FAULTS) {
            let (field, kid) = (field.to_owned(), kid.to_owned());
            let state = state.into();
            self.faults.push(SecretReport { object_id, field, kid, state, ..SecretReport::default() });
        }
    }

    /// People's credentials that could not be used when a call last needed them.
    #[must_use]
    pub fn credential_faults(&self) -> &[SecretReport] {
        &self.faults
    }

    /// Forgets them: some credential is gone, and which it was only the server knows.
    pub fn forget_faults(&mut self) {
        self.faults.clear();
    }

    /// Lets go of every opened secret.
    pub fn forget_all(&mut self) {
        self.opened.clear();
    }

    /// The outcome, and whether it would be the same the next time.
    fn try_open(&mut self, bytes: &[u8], kid: &str, place: &Place<'_>) -> Result<(Outcome, bool)> {
        let sealed = Sealed { bytes: bytes.to_vec(), kid: Kid(kid.to_owned()) };
        if self.loaded.ring.get(&sealed.kid).is_none() {
            // Another agent of this runner may have written it meanwhile.
            self.loaded = self.keys.load()?;
        }
        if !self.attempts.may_try(self.clock.now()) {
            let reason = format!("not tried: {MAX_FAILURES} opens failed within an hour; try again later");
            return Ok((Outcome::Undecryptable(reason), false));
        }
        let error = match open::open(&self.loaded.ring, place, &sealed) {
            Ok(secret) => return Ok((Outcome::Ok(secret), true)),
            Err(error) => error,
        };
        // Only these two have used a private key.
        if matches!(error, OpenError::Undecryptable | OpenError::Rejected(Reason::Plaintext)) {
            self.attempts.failed(&self.dir, self.clock.now())?;
        }
        Ok(match error {
            OpenError::Rejected(reason) => (Outcome::Rejected(explain(reason)), true),
            OpenError::UnknownKid => {
                let reason = format!("its key is not in {}", self.keys.path().display());
                (Outcome::Undecryptable(reason), false)
            }
            OpenError::Undecryptable => {
                let reason = "damaged, or not sealed for this key; enter the secret again";
                (Outcome::Undecryptable(reason.to_owned()), true)
            }
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
