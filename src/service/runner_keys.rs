//! The keys that runners' secrets are sealed with: registered by proof, approved, revoked.
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::{OrganizationId, RegistrationId, RunnerId},
        runner::Runner,
        runner_key::{KeyState, RunnerKey},
        secret::Kid,
    },
    error::{Error, Kind, Result},
    seal::{self, PublicKey, expected_answer, random, seal_challenge},
    store::{NewRegistration, Registration},
};

/// How long the challenges of a registration can be answered.
const LIFE: Duration = Duration::from_mins(10);
const FIELD: &str = "public_key";

/// A registration that was begun: what the holder of the private keys must answer.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The registration.
    pub id: RegistrationId,
    /// Sealed to the offered key.
    pub challenge_new: Vec<u8>,
    /// Sealed to the runner's ACTIVE key, if it has another one.
    pub challenge_old: Option<Vec<u8>>,
}

/// The answers to a registration's challenges.
#[derive(Debug)]
pub struct Proof {
    /// The registration.
    pub id: RegistrationId,
    /// For the offered key.
    pub answer_new: Vec<u8>,
    /// For the ACTIVE key.
    pub answer_old: Option<Vec<u8>>,
}

impl Service {
    /// Accepts an offered key and challenges its holder.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner, [`Kind::Invalid`] for a key that breaks the
    /// acceptance policy, was revoked, or belongs to another runner.
    pub async fn begin_key_registration(&self, caller: &Caller, id: RunnerId, key: Vec<u8>) -> Result<Begun> {
        let runner = self.runner_for(caller, id).await?;
        // Up to 14 ms of arithmetic: not on a thread that serves others.
        let key =
            tokio::task::spawn_blocking(move || seal::accept(&key)).await.map_err(Error::internal)??;
        self.refuse_known(caller.organization, &runner, key.kid()).await?;

        let registration = RegistrationId(self.clock.new_id());
        let (challenge_new, answer_new_hash) = challenge(&key, runner.id, registration)?;
        let (challenge_old, old) = match &runner.active_key {
            Some(active) if active.kid != *key.kid() => {
                let (challenge, hash) = challenge(&*self.keys.parsed(active)?, runner.id, registration)?;
                (Some(challenge), Some((hash, active.kid.clone())))
            }
            _ => (None, None),
        };
        let new = NewRegistration {
            id: registration,
            runner: runner.id,
            kid: key.kid().clone(),
            algorithm: key.algorithm(),
            bits: key.bits(),
            public_key: key.wire_bytes().to_vec(),
            answer_new_hash,
            old,
            expires_at: self.now().plus(LIFE),
        };
        self.store.begin_registration(self.actor(caller), new).await?;
        Ok(Begun { id: registration, challenge_new, challenge_old })
    }

    async fn refuse_known(&self, organization: OrganizationId, runner: &Runner, kid: &Kid) -> Result<()> {
        let refuse = |message| Err(Error::invalid(FIELD, "sealink.public_key", message));
        if self.store.is_revoked(organization, kid.clone()).await? {
            return refuse("this key was revoked: make a new one");
        }
        match self.store.runner_key(organization, kid.clone()).await? {
            Some(known) if known.runner != runner.id => {
                refuse("this key belongs to another runner: make one of its own for each runner")
            }
            Some(known) if matches!(known.state, KeyState::Retiring | KeyState::Retired) => {
                refuse("this key was replaced by a newer one: make a new one")
            }
            _ => Ok(()),
        }
    }

    /// Takes the answers; the key's thumbprint and the state it is in now.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a registration that is not the caller's to see, [`Kind::Precondition`] for a
    /// wrong answer (five end it) or one that comes too late.
    pub async fn complete_key_registration(&self, caller: &Caller, proof: Proof) -> Result<(Kid, KeyState)> {
        let missing = || Error::not_found("key registration");
        let found = self.store.registration(caller.organization, proof.id).await?;
        let registration = found.ok_or_else(missing)?;
        self.reach_runner(caller, registration.runner_id).await.map_err(|error| match error.kind() {
            Kind::NotFound => missing(),
            _ => error,
        })?;
        if registration.expires_at <= self.now() {
            return Err(ended("the registration has expired: begin again"));
        }
        registration.takes_answers()?;
        if !matches(&proof.answer_new, &registration.answer_new_hash) {
            let left = self.store.count_wrong_answer(self.actor(caller), proof.id).await?;
            return Err(ended(format!("answer_new is wrong; {left} tries left")));
        }
        let replaces = replaced(registration, proof.answer_old.as_deref());
        self.store.complete_registration(self.actor(caller), proof.id, replaces).await
    }

    /// A page of a runner's keys, newest first.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner, [`Kind::Invalid`] for the page.
    pub async fn runner_keys(
        &self,
        caller: &Caller,
        id: RunnerId,
        ask: &PageAsk,
    ) -> Result<Listing<RunnerKey>> {
        self.reach_runner(caller, id).await?;
        let (filter, now) = ([id.to_string()], self.now());
        let list = List { name: "runner_keys", filter: &filter };
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.runner_keys(id, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }

    /// Makes a PENDING key ACTIVE.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the key, [`Kind::Precondition`] if it is not PENDING.
    pub async fn approve_key(&self, caller: &Caller, kid: Kid) -> Result<RunnerKey> {
        self.reach_key(caller, &kid).await?;
        self.store.approve_key(self.actor(caller), kid).await
    }

    /// Revokes a key and wipes what was sealed with it; how many secrets that were.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the key.
    pub async fn revoke_key(&self, caller: &Caller, kid: Kid, reason: String) -> Result<(RunnerKey, u32)> {
        self.reach_key(caller, &kid).await?;
        let reason = crate::domain::text::plain_text("reason", reason, 500)?;
        self.store.revoke_key(self.actor(caller), kid, reason).await
    }

    async fn reach_key(&self, caller: &Caller, kid: &Kid) -> Result<()> {
        let missing = || Error::not_found("key");
        let key = self.store.runner_key(caller.organization, kid.clone()).await?.ok_or_else(missing)?;
        self.reach_runner(caller, key.runner).await.map(|_| ()).map_err(|error| match error.kind() {
            Kind::NotFound => missing(),
            _ => error,
        })
    }
}

/// A fresh challenge sealed to `key`, and the SHA-256 of its answer.
fn challenge(key: &PublicKey, runner: RunnerId, registration: RegistrationId) -> Result<(Vec<u8>, [u8; 32])> {
    let random: Zeroizing<[u8; 32]> = random::bytes()?;
    let sealed = seal_challenge(key, runner, registration, &random)?;
    let answer = Zeroizing::new(expected_answer(&random, registration, key.kid()));
    Ok((sealed, Sha256::digest(*answer).into()))
}

fn matches(answer: &[u8], hash: &[u8]) -> bool {
    bool::from(Sha256::digest(answer).as_slice().ct_eq(hash))
}

/// The key whose possession was proved, so that the new one may replace it without approval.
fn replaced(registration: Registration, answer: Option<&[u8]>) -> Option<Kid> {
    let hash = registration.answer_old_hash?;
    matches(answer?, &hash).then_some(registration.old_kid)?
}

fn ended(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::Precondition, message)
}
