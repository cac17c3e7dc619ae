//! API tokens of people and service accounts.
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Listing, PageAsk, Service, new_token, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::{RunnerId, UserId},
        text::plain_text,
        token::{ApiToken, EXCHANGE_LIFE, PERSONAL_LIFE, PERSONAL_LIFE_MAX, TokenId, TokenKind},
        user::MemberKind,
    },
    error::{Error, Kind, Result},
    store::{NewTokenRow, TokenOwner},
};

/// What a new token is to be.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// Whom it acts as; `None`: the caller.
    pub owner: Option<TokenSubject>,
    /// What it is for, in words.
    pub description: String,
    /// How long it lives; `None`: 30 days, or for a service account until revoked.
    pub valid_for: Option<Duration>,
    /// Whether it only reads.
    pub read_only: bool,
}

/// A member that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSubject {
    /// A person.
    User(UserId),
    /// A machine.
    ServiceAccount(UserId),
}

impl TokenSubject {
    const fn id(self) -> UserId {
        match self {
            Self::User(id) | Self::ServiceAccount(id) => id,
        }
    }

    const fn kind(self) -> TokenKind {
        match self {
            Self::User(_) => TokenKind::Personal,
            Self::ServiceAccount(_) => TokenKind::ServiceAccount,
        }
    }

    /// How long a token of it lives.
    fn life(self, asked: Option<Duration>) -> Result<Option<Duration>> {
        let refuse = |message| Err(Error::invalid("valid_for", "sealink.token_life", message));
        match (self, asked) {
            (_, Some(Duration::ZERO)) => refuse("value must be more than 0 and at most 90 days"),
            (Self::User(_), None) => Ok(Some(PERSONAL_LIFE)),
            (Self::User(_), Some(life)) if life > PERSONAL_LIFE_MAX => {
                refuse("value must be more than 0 and at most 90 days")
            }
            (Self::User(_) | Self::ServiceAccount(_), life) => Ok(life),
        }
    }
}

/// A token that was just made. Its text is nowhere else.
pub struct IssuedToken {
    /// What the client sends.
    pub text: Zeroizing<String>,
    /// What lists show of it.
    pub row: ApiToken,
}

impl Service {
    /// Makes a personal access token, or a service account's token.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for another's and for a service account's, unless by an administrator;
    /// [`Kind::NotFound`] for an unknown owner, [`Kind::Precondition`] for a disabled one; [`Kind::Invalid`] for
    /// a life that is not allowed.
    pub async fn create_token(&self, caller: &Caller, request: TokenRequest) -> Result<IssuedToken> {
        let own = match caller.member_kind()? {
            MemberKind::User => TokenSubject::User(caller.user()?),
            MemberKind::ServiceAccount => TokenSubject::ServiceAccount(caller.user()?),
        };
        let owner = request.owner.unwrap_or(own);
        let theirs = owner == own && matches!(owner, TokenSubject::User(_));
        let disabled = if theirs { false } else { self.reach_owner(caller, owner).await? };
        let life = owner.life(request.valid_for)?;
        let description = plain_text("description", request.description, 200)?;
        if disabled {
            return Err(Error::new(Kind::Precondition, "the owner of the token is disabled"));
        }
        let token = new_token(owner.kind())?;
        let actor = self.actor(caller);
        let new = NewTokenRow {
            id: self.clock.new_id(),
            token_id: token.id,
            kind: token.kind,
            member: Some(owner.id()),
            runner: None,
            hash: token.hash,
            description,
            read_only: request.read_only,
            expires_at: life.map(|life| actor.at.plus(life)),
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

    /// Whether the owner of a token to be made is disabled.
    async fn reach_owner(&self, caller: &Caller, owner: TokenSubject) -> Result<bool> {
        let disabled = self.member(caller, owner).await?;
        if !caller.is_administrator() {
            return Err(Error::new(Kind::Forbidden, "only an administrator may make this token"));
        }
        Ok(disabled)
    }

    /// Whether a member of the organization is disabled.
    async fn member(&self, caller: &Caller, of: TokenSubject) -> Result<bool> {
        let organization = caller.organization;
        match of {
            TokenSubject::User(id) => {
                let user = self.store.user(organization, id).await?;
                user.map(|user| user.disabled_at.is_some()).ok_or_else(|| Error::not_found("user"))
            }
            TokenSubject::ServiceAccount(id) => {
                let account = self.store.service_account(organization, id).await?;
                let missing = || Error::not_found("service account");
                account.map(|account| account.disabled_at.is_some()).ok_or_else(missing)
            }
        }
    }

    /// A page of tokens, oldest first: the caller's own, or for an administrator the organization's.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown owner, [`Kind::Forbidden`] for another's tokens, [`Kind::Invalid`]
    /// for the page.
    pub async fn tokens(
        &self,
        caller: &Caller,
        of: Option<TokenSubject>,
        ask: &PageAsk,
    ) -> Result<Listing<ApiToken>> {
        let own = caller.user()?;
        if let Some(of) = of.filter(|of| of.id() != own) {
            self.member(caller, of).await?;
            if !caller.is_administrator() {
                return Err(Error::new(Kind::Forbidden, "only an administrator may list others' tokens"));
            }
        }
        let owner = if caller.is_administrator() { of.map(TokenSubject::id) } else { Some(own) };
        let filter: Vec<_> = owner.iter().map(ToString::to_string).collect();
        let (list, now) = (List { name: "tokens", filter: &filter }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.tokens(caller.organization, owner, request).await?;
        self.ring().pages.write(caller, list, page, now)
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
