//! API tokens of people.
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Listing, PageAsk, Service, new_token, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::{RunnerId, UserId},
        runner::plain_text,
        token::{ApiToken, EXCHANGE_LIFE, PERSONAL_LIFE, PERSONAL_LIFE_MAX, TokenId, TokenKind},
        user::User,
    },
    error::{Error, Kind, Result},
    store::{NewTokenRow, TokenOwner},
};

/// What a new personal access token is to be.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// Whom it acts as; `None`: the caller.
    pub user: Option<UserId>,
    /// What it is for, in words.
    pub description: String,
    /// How long it lives; `None`: 30 days.
    pub valid_for: Option<Duration>,
    /// Whether it only reads.
    pub read_only: bool,
}

/// A token that was just made. Its text is nowhere else.
pub struct IssuedToken {
    /// What the client sends.
    pub text: Zeroizing<String>,
    /// What lists show of it.
    pub row: ApiToken,
}

impl Service {
    /// Makes a personal access token.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for another user's, unless by an administrator; [`Kind::NotFound`] for an unknown
    /// user, [`Kind::Precondition`] for a disabled one; [`Kind::Invalid`] for a life over 90 days.
    pub async fn create_token(&self, caller: &Caller, request: TokenRequest) -> Result<IssuedToken> {
        let own = caller.user()?;
        let owner = request.user.unwrap_or(own);
        let other = if owner == own { None } else { Some(self.reach_user(caller, owner).await?) };
        let life = request.valid_for.unwrap_or(PERSONAL_LIFE);
        if life.is_zero() || life > PERSONAL_LIFE_MAX {
            let message = "value must be more than 0 and at most 90 days";
            return Err(Error::invalid("valid_for", "sealink.token_life", message));
        }
        let description = plain_text("description", request.description, 200)?;
        if other.is_some_and(|user| user.disabled_at.is_some()) {
            return Err(Error::new(Kind::Precondition, "the user is disabled"));
        }
        let token = new_token(TokenKind::Personal)?;
        let actor = self.actor(caller);
        let new = NewTokenRow {
            id: self.clock.new_id(),
            token_id: token.id,
            kind: token.kind,
            member: Some(owner),
            runner: None,
            hash: token.hash,
            description,
            read_only: request.read_only,
            expires_at: Some(actor.at.plus(life)),
        };
        let row = ApiToken {
            id: new.token_id.clone(),
            order: new.id,
            kind: new.kind,
            member: new.member,
            runner: None,
            description: new.description.clone(),
            read_only: new.read_only,
            created_at: actor.at,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        self.store.create_token(actor, new, "token.create").await?;
        Ok(IssuedToken { text: token.text, row })
    }

    async fn reach_user(&self, caller: &Caller, id: UserId) -> Result<User> {
        let user = self.store.user(caller.organization, id).await?;
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        if !caller.is_administrator() {
            return Err(Error::new(Kind::Forbidden, "only an administrator may make tokens for others"));
        }
        Ok(user)
    }

    /// A page of tokens, oldest first: the caller's own, or for an administrator the organization's.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown user, [`Kind::Forbidden`] for another's tokens, [`Kind::Invalid`]
    /// for the page.
    pub async fn tokens(
        &self,
        caller: &Caller,
        of: Option<UserId>,
        ask: &PageAsk,
    ) -> Result<Listing<ApiToken>> {
        let own = caller.user()?;
        if let Some(of) = of.filter(|of| *of != own) {
            let known = self.store.user(caller.organization, of).await?;
            known.ok_or_else(|| Error::not_found("user"))?;
            if !caller.is_administrator() {
                return Err(Error::new(Kind::Forbidden, "only an administrator may list others' tokens"));
            }
        }
        let owner = if caller.is_administrator() { of } else { Some(own) };
        let filter: Vec<_> = owner.iter().map(ToString::to_string).collect();
        let (list, now) = (List { name: "tokens", filter: &filter }, self.now());
        let request = self.pages.read(caller, list, ask, now)?;
        let page = self.store.tokens(caller.organization, owner, request).await?;
        self.pages.write(caller, list, page, now)
    }

    /// Revokes a token at once.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Forbidden`] for another user's, unless by an administrator.
    pub async fn revoke_token(&self, caller: &Caller, id: TokenId) -> Result<()> {
        let missing = || Error::not_found("token");
        let token = self.store.token(id.clone()).await?;
        let token = token.filter(|token| token.organization == caller.organization).ok_or_else(missing)?;
        let own = matches!(token.owner, TokenOwner::Member { id, .. } if id == caller.user()?);
        if !own && !caller.is_administrator() {
            return Err(Error::new(Kind::Forbidden, "only an administrator may revoke others' tokens"));
        }
        let revoked = self.store.revoke_token(self.actor(caller), id).await?;
        if revoked { Ok(()) } else { Err(missing()) }
    }

    /// A one-time exchange token for a runner, and what is stored of it.
    pub(super) fn exchange_token_for(&self, runner: RunnerId) -> Result<(Zeroizing<String>, NewTokenRow)> {
        let token = new_token(TokenKind::Exchange)?;
        let row = NewTokenRow {
            id: self.clock.new_id(),
            token_id: token.id,
            kind: token.kind,
            member: None,
            runner: Some(runner),
            hash: token.hash,
            description: String::new(),
            read_only: false,
            expires_at: Some(self.now().plus(EXCHANGE_LIFE)),
        };
        Ok((token.text, row))
    }
}
