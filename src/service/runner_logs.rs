//! Tokens that open one runner's log for an hour, and nothing else.
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Service;
use crate::{
    at_rest::Location,
    clock::Instant,
    domain::{
        access::Caller,
        audit::Entry,
        id::{OrganizationId, RunnerId},
        runner::Runner,
    },
    error::{Error, Result},
};

const LIFE: Duration = Duration::from_hours(1);
/// What every such token begins with; no other token does.
const PREFIX: &str = "sealink_log_";
const ID: usize = 16;
const EXPIRY: usize = 8;

impl Service {
    /// A token that reads the runner's log, for one hour. It is sealed with the server's own keyring and stored
    /// nowhere.
    ///
    /// # Errors
    /// As [`Service::runner`].
    pub async fn create_logs_token(&self, caller: &Caller, id: RunnerId) -> Result<Zeroizing<String>> {
        self.reach_runner(caller, id).await?;
        let expiry = self.now().plus(LIFE);
        let plain = [&expiry.0.to_be_bytes()[..], caller.organization.0.as_bytes()].concat();
        let sealed = self.ring().keyring.seal(&location(&id.to_string()), &plain)?;
        let token = URL_SAFE_NO_PAD.encode([&id.0.as_bytes()[..], &sealed].concat());
        self.store.note(self.actor(caller), Entry::new("runner.create_logs_token", &id)).await?;
        Ok(Zeroizing::new(format!("{PREFIX}{token}")))
    }

    /// The live runner whose log `token` opens, if that is `id`.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`](crate::error::Kind::Unauthenticated) for any other token;
    /// [`Kind::Precondition`](crate::error::Kind::Precondition) if no agent of it takes calls.
    pub async fn runner_of_logs_token(&self, id: RunnerId, token: &str) -> Result<Runner> {
        let (organization, expiry) = self.open_logs_token(id, token).ok_or_else(Error::unauthenticated)?;
        if expiry <= self.now() {
            return Err(Error::unauthenticated());
        }
        let runner = self.store.runner(organization, id).await?.ok_or_else(Error::unauthenticated)?;
        self.require_live(&runner)?;
        Ok(runner)
    }

    fn open_logs_token(&self, id: RunnerId, token: &str) -> Option<(OrganizationId, Instant)> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (runner, sealed) = bytes.split_first_chunk::<ID>()?;
        if *runner != *id.0.as_bytes() {
            return None;
        }
        let plain = self.ring().keyring.open(&location(&id.to_string()), sealed).ok()?;
        let (expiry, organization) = plain.split_first_chunk::<EXPIRY>()?;
        let organization = Uuid::from_slice(organization).ok()?;
        Some((OrganizationId(organization), Instant(i64::from_be_bytes(*expiry))))
    }
}

fn location(runner: &str) -> Location<'_> {
    Location { table_and_column: "logs_token", owner_id: runner, row_id: runner, url_origin: "" }
}
