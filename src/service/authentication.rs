//! Who is calling.
use std::{sync::Arc, time::Duration};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Service, new_token};
use crate::{
    clock::Instant,
    domain::{
        access::{Caller, Principal},
        audit::Actor,
        id::RunnerId,
        token::{Credential, TokenHash, TokenKind},
    },
    error::{Error, Result},
    store::{NewTokenRow, StoredToken, TokenOwner},
};

/// How exact "last used" is.
const TOUCH: Duration = Duration::from_hours(1);
/// Compared with where there is no token, so that an unknown id costs what a wrong secret costs.
const DUMMY: TokenHash = [0; 32];

impl Service {
    /// The caller that a bearer token stands for.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`](crate::error::Kind::Unauthenticated), always the same, for a token that is
    /// unknown, wrong, revoked, expired, of a disabled user or meant for exchange only.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Caller> {
        let stored = self.store.token(credential.id.clone()).await?;
        let Ok(caller) = verify(stored.as_ref(), credential, self.now()) else {
            return self.authenticate_preset(credential).await;
        };
        self.touch(stored.as_ref());
        Ok(caller)
    }

    /// What is no token of this database may still be the preset one.
    pub(super) async fn authenticate_preset(&self, credential: &Credential) -> Result<Caller> {
        let preset = credential.as_preset();
        let stored = self.store.token(preset.id.clone()).await?;
        let caller = verify(stored.as_ref(), &preset, self.now())?;
        self.touch(stored.as_ref());
        Ok(caller)
    }

    /// Writes down, at most once an hour, that a token is in use. The request does not wait for it.
    pub(super) fn touch(&self, token: Option<&StoredToken>) {
        let now = self.now();
        let Some(token) = token else { return };
        if token.last_used_at.is_some_and(|last| last.plus(TOUCH) > now) {
            return;
        }
        let (store, id) = (Arc::clone(&self.store), token.id.clone());
        tokio::spawn(async move {
            if let Err(error) = store.touch_token(id, now).await {
                tracing::debug!(%error, "the time of a token's use was not stored");
            }
        });
    }

    /// Turns a one-time exchange token into the runner's access token. Atomic: of two that try, one wins.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`](crate::error::Kind::Unauthenticated) if it is unknown, used or expired.
    pub async fn exchange_token(&self, text: &str) -> Result<Zeroizing<String>> {
        let refused = || Error::new(crate::error::Kind::Unauthenticated, "invalid exchange token");
        let credential = Credential::parse(text).ok_or_else(refused)?;
        let stored = self.store.token(credential.id.clone()).await?;
        let runner = exchangeable(stored.as_ref(), &credential, self.now()).ok_or_else(refused)?;
        let organization = stored.ok_or_else(refused)?.organization;
        let token = new_token(TokenKind::Runner)?;
        let row = NewTokenRow {
            id: self.clock.new_id(),
            token_id: token.id.clone(),
            kind: token.kind,
            member: None,
            runner: Some(runner),
            hash: token.hash,
            description: String::new(),
            read_only: false,
            expires_at: None,
        };
        let actor = Actor {
            organization,
            kind: "runner",
            id: runner.0,
            token: credential.id.to_string(),
            at: self.now(),
            entry_id: self.clock.new_id(),
            once: None,
        };
        if self.store.exchange_token(actor, credential.id, row).await? {
            Ok(token.text)
        } else {
            Err(refused())
        }
    }
}

/// Decides whether a stored token is the one that was sent, and still good.
pub(super) fn verify(stored: Option<&StoredToken>, sent: &Credential, now: Instant) -> Result<Caller> {
    let same = is_sent(stored, sent);
    caller_of(stored.filter(|_| same).ok_or_else(Error::unauthenticated)?, now)
}

/// Whether a stored token is the one that was sent.
pub(super) fn is_sent(stored: Option<&StoredToken>, sent: &Credential) -> bool {
    let hash = stored.map_or(&DUMMY, |token| &token.hash);
    bool::from(hash.ct_eq(&sent.hash))
}

/// Whom a token acts as, if it is still good.
pub(super) fn caller_of(token: &StoredToken, now: Instant) -> Result<Caller> {
    if !is_live(token, now) || token.kind == TokenKind::Exchange {
        return Err(Error::unauthenticated());
    }
    let principal = match token.owner {
        // The owner's kind is the token's: no service account has any other, and nobody else has these.
        TokenOwner::Member { id, role, disabled: false } if token.kind == TokenKind::ServiceAccount => {
            Principal::ServiceAccount { id, role }
        }
        TokenOwner::Member { id, role, disabled: false } => Principal::User { id, role },
        TokenOwner::Member { disabled: true, .. } => return Err(Error::unauthenticated()),
        TokenOwner::Runner(id) => Principal::Runner { id },
    };
    Ok(Caller {
        organization: token.organization,
        principal,
        read_only: token.read_only,
        token: token.id.clone(),
        once: None,
    })
}

fn exchangeable(stored: Option<&StoredToken>, sent: &Credential, now: Instant) -> Option<RunnerId> {
    let same = is_sent(stored, sent);
    let token = stored.filter(|token| same && is_live(token, now) && token.kind == TokenKind::Exchange)?;
    match token.owner {
        TokenOwner::Runner(id) => Some(id),
        TokenOwner::Member { .. } => None,
    }
}

fn is_live(token: &StoredToken, now: Instant) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now)
}
