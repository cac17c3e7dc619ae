//! The sealed secrets of a runner: shown to those who administer it, sealed anew by the runner itself.
use uuid::Uuid;

use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::RunnerId,
        page::Page,
        runner_key::KeyState,
        secret::{Kid, Sealed},
        secret_field::SecretField,
        secret_state::SecretState,
        stored_secret::{SecretEntry, StoredSecret},
    },
    error::{Error, Kind, Result},
    seal::{Place, fits},
    store::Reseal,
};

/// A secret that its runner has opened and sealed anew.
#[derive(Debug)]
pub struct Resealing {
    /// What it belongs to.
    pub sub: Uuid,
    /// Which secret of it, by its name on the wire.
    pub field: String,
    /// Tells apart several of one field; else empty.
    pub name: String,
    /// The version that was listed.
    pub expected_version: u64,
    /// The key it was sealed with.
    pub expected_kid: Kid,
    /// The new ciphertext, and the key it is sealed with.
    pub sealed: Sealed,
}

impl Service {
    /// A page of a runner's sealed secrets, and whether each can be used.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner, [`Kind::Invalid`] for the page.
    pub async fn secrets(
        &self,
        caller: &Caller,
        id: RunnerId,
        ask: &PageAsk,
    ) -> Result<Listing<(SecretEntry, SecretState)>> {
        let runner = self.runner_for(caller, id).await?;
        let (filter, now) = ([id.to_string()], self.now());
        let list = List { name: "secrets", filter: &filter };
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let Page { rows, next } = self.store.secrets(id, request).await?;
        let reports = self.store.secret_reports(id).await?;
        let state = |entry: SecretEntry| {
            let state = SecretState::of_entry(&entry, &runner, &reports);
            (entry, state)
        };
        let page = Page { rows: rows.into_iter().map(state).collect(), next };
        self.ring().pages.write(caller, list, page, now)
    }

    /// A page of a runner's secrets that are sealed with a RETIRING key, for the runner itself.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for any runner but the caller, [`Kind::Invalid`] for the page.
    pub async fn secrets_to_reseal(
        &self,
        caller: &Caller,
        id: RunnerId,
        ask: &PageAsk,
    ) -> Result<Listing<StoredSecret>> {
        self.reach_runner(caller, id).await?;
        let (filter, now) = ([id.to_string()], self.now());
        let list = List { name: "secrets_to_reseal", filter: &filter };
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.stale_secrets(id, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }

    /// Replaces a ciphertext of a RETIRING key by one of the ACTIVE key; the secret's version afterwards.
    /// What the new one is bound to is taken from what is stored, never from the request.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anybody but a runner; [`Kind::Invalid`] for an unknown field, or a ciphertext
    /// that is none of the ACTIVE key for this place; [`Kind::NotFound`] if the runner has no such secret;
    /// [`Kind::Precondition`] if the new key is not the ACTIVE one, or the old one was never replaced;
    /// [`Kind::Conflict`] if the secret is another by now.
    pub async fn reseal(&self, caller: &Caller, request: Resealing) -> Result<u64> {
        let id = caller.runner()?;
        let field = SecretField::from_wire_name(&request.field).ok_or_else(|| {
            Error::invalid("field", "sealink.field", "value must be the name of a sealed field")
        })?;
        let runner = self.runner_for(caller, id).await?;
        let found = self.store.secret(id, request.sub, field, request.name.clone()).await?;
        let found = found.ok_or_else(|| Error::not_found("secret"))?;
        let missing = || Error::new(Kind::Precondition, "runner does not have a public key");
        let active = runner.active_key.as_ref().ok_or_else(missing)?;
        if active.kid != request.sealed.kid {
            return Err(Error::new(Kind::Precondition, "secrets are sealed anew only with the ACTIVE key"));
        }
        let [a, b, c] = &found.destination;
        let place = Place { runner: id, sub: request.sub, field, a, b, c };
        if !fits(&*self.keys.parsed(active)?, &place, &request.sealed.bytes) {
            let message = "value must be sealed with the ACTIVE key for this secret's place";
            return Err(Error::invalid("new_sealed", "sealink.sealed", message));
        }
        self.require_replaced(caller, id, &request.expected_kid).await?;
        let change = Reseal {
            runner: id,
            sub: request.sub,
            field,
            name: request.name,
            expected_version: request.expected_version,
            expected_kid: request.expected_kid,
            sealed: request.sealed,
        };
        self.store.reseal(self.actor(caller), change).await
    }

    /// Only what is sealed with a key that was replaced is sealed anew: otherwise a stolen token could swap
    /// secrets that are fine.
    async fn require_replaced(&self, caller: &Caller, runner: RunnerId, kid: &Kid) -> Result<()> {
        let key = self.store.runner_key(caller.organization, kid.clone()).await?;
        match key.filter(|key| key.runner == runner).map(|key| key.state) {
            Some(KeyState::Retiring) => Ok(()),
            // Somebody else finished meanwhile.
            Some(KeyState::Retired | KeyState::Revoked) => {
                Err(Error::new(Kind::Conflict, "no secret is sealed with this key any more"))
            }
            Some(KeyState::Pending | KeyState::Active) | None => {
                Err(Error::new(Kind::Precondition, "only what is sealed with a RETIRING key is sealed anew"))
            }
        }
    }
}
