//! Renewing host tokens before they end.
//!
//! ```text
//! job, on any server -> claim: until when the token is ours -> call -> one agent -> forge
//! token <- compare-and-swap <- whichever server the agent answers: nobody waits, so no restart loses an answer
//! ```
//!
//! Several forges end the old refresh token with its use, so of two who renew one token one would cut off the other:
//! a claim outlasts its call, and a call is offered once. What the forge gave is in the memory of the agent that asked
//! it until the server has it: so that agent is asked again, not another, unless it says that the forge gave nothing.
use super::{Service, retry::until_settled};
use crate::{
    clock::Instant,
    domain::{
        access::Caller,
        audit::Actor,
        host_token::{HostToken, check_scopes},
        host_token_refresh::{next_try, renews},
        id::CallId,
        integration::Integration,
        live_call::{CallKind, NewCall},
        liveness::GRACE,
        runner::Runner,
        secret::{Kid, Sealed},
        secret_field::SecretField,
    },
    error::{Error, Kind, Result},
    seal::{Field, Place},
    store::{DueRefresh, HostTokenUpdate, NewSecret, SecretChange},
};

/// How many tokens one server has renewed at once.
const BATCH: u16 = 32;

/// A host token that an agent is to renew.
#[derive(Debug)]
pub struct Refresh {
    /// Whose agents are asked.
    pub runner: Runner,
    /// The integration through whose OAuth app the token came.
    pub integration: Integration,
    /// The token.
    pub token: HostToken,
    /// Its refresh token.
    pub sealed: Sealed,
}

/// How agents are asked, in the bytes of the wire.
pub type RefreshQuestion = fn(Refresh) -> Vec<u8>;

/// A host token's new credential.
#[derive(Debug)]
pub struct Renewal {
    /// The credential, sealed to the runner.
    pub value: Vec<u8>,
    /// What it is renewed with, sealed to the runner; empty: with what it was.
    pub refresh: Vec<u8>,
    /// The key both are sealed with.
    pub kid: String,
    /// What the forge granted; empty: as before.
    pub scopes: Vec<String>,
    /// When it ends; `None`: it does not.
    pub expires_at: Option<Instant>,
}

/// What an agent says became of a host token.
#[derive(Debug)]
pub enum Refreshed {
    /// The forge gave a new credential.
    Renewed(Renewal),
    /// The forge refused for good.
    Refused,
    /// The forge gave nothing this time.
    Nothing,
}

impl Service {
    /// Has agents renew the tokens that are due, a batch of them.
    pub(super) async fn refresh_due_tokens(&self, question: RefreshQuestion) -> Result<()> {
        let now = self.now();
        for due in self.store.due_refreshes(now, now.minus(GRACE), BATCH).await? {
            let call = self.new_call_id();
            if !self.store.claim_refresh(due, call, next_try(now, due.attempts())).await? {
                continue;
            }
            // The claim stands: the next try is later, and rarer.
            if let Err(error) = self.ask_refresh(due, call, question).await {
                tracing::warn!(%error, host_token = %due.token, "a host token cannot be renewed now");
            }
        }
        Ok(())
    }

    async fn ask_refresh(&self, due: DueRefresh, id: CallId, question: RefreshQuestion) -> Result<()> {
        let gone = || Error::not_found("host authentication token");
        let (token, _) = self.store.host_token(due.organization, due.token).await?.ok_or_else(gone)?;
        let found = self.store.configuration(due.organization, token.runner).await?.ok_or_else(gone)?;
        let integration = found.integrations.into_iter().find(|one| renews(one, &token));
        let none = || Error::new(Kind::Precondition, "the runner has no OAuth app for this host any more");
        let (runner, integration) = (found.runner, integration.ok_or_else(none)?);
        let field = SecretField::HostTokenRefresh;
        let secret = self.store.secret(runner.id, token.id.0, field, String::new()).await?;
        let sealed = secret.ok_or_else(gone)?.sealed;
        let call = NewCall {
            id,
            runner: runner.id,
            kind: CallKind::RefreshHostToken,
            question: question(Refresh { runner, integration, token, sealed }),
            meant_for: due.meant_for,
        };
        self.place(call, self.now()).await
    }

    /// Stores what became of a token. `false`: the call was about none, its refresh token is another by now, or the forge
    /// gave nothing.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if it is not sealed with the runner's ACTIVE key, [`Kind::Unavailable`] if it is not
    /// sealed for its place.
    pub(super) async fn finish_refresh(
        &self,
        caller: &Caller,
        call: CallId,
        refreshed: Refreshed,
    ) -> Result<bool> {
        let runner = caller.runner()?;
        // The forge has forgotten the old token: what else changes meanwhile must not cost the new one.
        until_settled(|| async {
            let Some(id) = self.store.refresh_of_call(runner, call).await? else { return Ok(false) };
            let found = self.store.host_token(caller.organization, id).await?;
            let Some((token, _)) = found else { return Ok(false) };
            let now = self.now();
            let update = match &refreshed {
                Refreshed::Renewed(renewal) => self.renewed(caller, token, renewal).await?,
                Refreshed::Refused => refused(token, now),
                Refreshed::Nothing => {
                    return self.store.release_refresh(runner, call).await.map(|()| false);
                }
            };
            let actor = Actor::server(caller.organization, now, self.clock.new_id());
            match self.store.update_host_token(actor, update).await {
                Err(error) if error.kind() == Kind::NotFound => Ok(false),
                stored => stored.map(|()| true),
            }
        })
        .await
    }

    async fn renewed(&self, caller: &Caller, token: HostToken, renewal: &Renewal) -> Result<HostTokenUpdate> {
        let Renewal { value, refresh, kid, scopes, expires_at } = renewal;
        let runner = self.store.runner(caller.organization, token.runner).await?;
        let runner = runner.ok_or_else(|| Error::not_found("runner"))?;
        let subject = token.subject.id.to_string();
        let (sub, host) = (token.id.0, token.host.as_str());
        let place =
            |field| Place { runner: runner.id, sub, field, a: host, b: &subject, c: token.source.name() };
        self.keys.require_fit(&runner, &place(Field::HostTokenValue), value, kid)?;
        if !refresh.is_empty() {
            self.keys.require_fit(&runner, &place(Field::HostTokenRefresh), refresh, kid)?;
        }
        let secret = |bytes: &Vec<u8>| NewSecret {
            id: self.clock.new_id(),
            sealed: Sealed { bytes: bytes.clone(), kid: Kid(kid.clone()) },
        };
        let mut changed = vec!["token", "expires_at"];
        let value = Some(secret(value));
        let refresh = if refresh.is_empty() {
            SecretChange::Keep
        } else {
            changed.push("refresh_token");
            SecretChange::Set(secret(refresh))
        };
        let scopes = check_scopes(scopes.clone())?;
        let scopes = if scopes.is_empty() || scopes == token.scopes {
            token.scopes
        } else {
            changed.push("scopes");
            scopes
        };
        let (expected_version, now) = (token.version, self.now());
        let token = HostToken {
            scopes,
            expires_at: *expires_at,
            version: expected_version + 1,
            updated_at: now,
            ..token
        };
        let action = "host_token.refresh";
        Ok(HostTokenUpdate { token, expected_version, value, refresh, renewal: true, action, changed })
    }
}

/// What the forge refuses to renew it takes no longer either: the token has ended, and nothing renews it.
fn refused(token: HostToken, now: Instant) -> HostTokenUpdate {
    let expected_version = token.version;
    let ended = token.expires_at.map_or(now, |end| end.min(now));
    HostTokenUpdate {
        token: HostToken { expires_at: Some(ended), version: expected_version + 1, updated_at: now, ..token },
        expected_version,
        value: None,
        refresh: SecretChange::Remove,
        renewal: true,
        action: "host_token.refuse",
        changed: vec!["refresh_token", "expires_at"],
    }
}
