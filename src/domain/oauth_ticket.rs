//! The flow that connects a user's account at a forge, and the secrets that hold it together.
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    clock::Instant,
    domain::{
        access::{Caller, Principal, RunnerFacts},
        id::{IntegrationId, OrganizationId, RunnerId, UserId},
        integration::Integration,
        runner_policy::RunnerRole,
        secret::Sealed,
        token::TokenId,
        user::Role,
    },
    error::{Error, Kind},
};

/// How long a flow may take from its first link to its last page.
pub const LIFE: Duration = Duration::from_mins(10);
/// How long it is remembered afterwards, so that whoever comes too late is written down.
pub const MEMORY: Duration = Duration::from_mins(10);

/// SHA-256 of a secret of the flow: what is stored and compared.
pub type FlowHash = [u8; 32];

/// A secret of the flow as it travels: the ticket in the link, the cookie, the state.
pub struct FlowSecret(Zeroizing<String>);

impl FlowSecret {
    /// A fresh one from 32 random bytes.
    #[must_use]
    pub fn new(random: &[u8; 32]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// One that came from outside; anything but 43 base64url characters is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == 43 && text.bytes().all(plain)).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for the one who is to carry it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> FlowHash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What a form must carry that was given to the browser with this cookie for this ticket: no other page can
    /// know it.
    #[must_use]
    pub fn form_token(&self, ticket: &Self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"sealink/oauth-form/v1\0");
        hash.update(self.0.as_bytes());
        hash.update(ticket.0.as_bytes());
        URL_SAFE_NO_PAD.encode(hash.finalize())
    }

    /// Whether a form carries what it must.
    #[must_use]
    pub fn fits(&self, ticket: &Self, form_token: &str) -> bool {
        self.form_token(ticket).as_bytes().ct_eq(form_token.as_bytes()).into()
    }
}

impl std::fmt::Debug for FlowSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FlowSecret(..)")
    }
}

/// An OAuth app as a flow's verifier is bound to it; its host is the integration's and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthClient {
    /// Its client id.
    pub id: String,
    /// The issuer that is asked in place of the host; empty for none.
    pub issuer: String,
}

impl OauthClient {
    /// The app of an integration, if it has one.
    #[must_use]
    pub fn of(integration: &Integration) -> Option<Self> {
        integration.oauth.as_ref().map(|oauth| Self {
            id: oauth.client_id.clone(),
            issuer: oauth.issuer.as_ref().map(|issuer| issuer.as_str().to_owned()).unwrap_or_default(),
        })
    }
}

/// What is left to a flow's user whose token is still good.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What it is in its organization.
    pub role: Role,
    /// What policies let it do with the runner.
    pub granted: Option<RunnerRole>,
}

/// Why a flow does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This step was taken before.
    Used,
    /// Its time is up.
    Expired,
    /// Its token was revoked or has ended, or its user was disabled.
    Unauthenticated,
    /// Its user may not use the runner any more.
    NoRole,
    /// The runner, the integration or its OAuth app is not the one it began with.
    Changed,
}

impl Ended {
    /// For the audit log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Used => "used already",
            Self::Expired => "expired",
            Self::Unauthenticated => "token or user ended",
            Self::NoRole => "no role on the runner",
            Self::Changed => "integration changed",
        }
    }
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::NoRole => Self::new(Kind::Forbidden, "you may not use this runner any more"),
            _ => Self::not_found("link"),
        }
    }
}

/// One flow as stored.
#[derive(Clone, Debug)]
pub struct OauthTicket {
    /// What the sealed verifier is bound to.
    pub id: Uuid,
    /// Where it belongs.
    pub organization: OrganizationId,
    /// Whose account is connected.
    pub user: UserId,
    /// For which runner.
    pub runner: RunnerId,
    /// Through which integration.
    pub integration: IntegrationId,
    /// The OAuth app that the integration had then.
    pub client: OauthClient,
    /// The token that asked for the link.
    pub token: TokenId,
    /// Whether a browser has started it.
    pub started: bool,
    /// The browser's cookie.
    pub cookie: Option<FlowHash>,
    /// The PKCE verifier, sealed to the runner.
    pub verifier: Option<Sealed>,
    /// When it ends.
    pub expires_at: Instant,
    /// Whether the forge has sent the browser back.
    pub finished: bool,
}

impl OauthTicket {
    /// Whether `cookie` is that of the browser that started the flow.
    #[must_use]
    pub fn is_of(&self, cookie: &FlowSecret) -> bool {
        self.cookie.is_some_and(|stored| stored.ct_eq(&cookie.hash()).into())
    }

    /// Whether its user may still have a token of its own for the runner, by the rule that holds for requests.
    /// `standing`: `None` if nobody may act with the flow's token.
    ///
    /// # Errors
    /// Why not.
    pub fn stands(&self, standing: Option<Standing>, runner: &RunnerFacts) -> Result<(), Ended> {
        let Standing { role, granted } = standing.ok_or(Ended::Unauthenticated)?;
        let caller = Caller {
            organization: self.organization,
            principal: Principal::User { id: self.user, role },
            read_only: false,
            token: self.token.clone(),
            once: None,
        };
        caller.role_on(runner, granted).map(|_| ()).map_err(|_| Ended::NoRole)
    }

    /// Whether its integration still has the OAuth app it began with.
    ///
    /// # Errors
    /// [`Ended::Changed`] if not.
    pub fn fits(&self, integration: Option<&Integration>) -> Result<(), Ended> {
        let same = |integration| OauthClient::of(integration).is_some_and(|client| client == self.client);
        if integration.is_some_and(same) { Ok(()) } else { Err(Ended::Changed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_fits_its_cookie_and_ticket_only() {
        let (a, b, c) = (FlowSecret::new(&[1; 32]), FlowSecret::new(&[2; 32]), FlowSecret::new(&[3; 32]));
        let token = a.form_token(&b);
        assert!(a.fits(&b, &token));
        assert!(!a.fits(&c, &token) && !c.fits(&b, &token) && !a.fits(&b, ""));
        assert!(FlowSecret::parse(a.expose()).is_some_and(|same| same.hash() == a.hash()));
        assert!(FlowSecret::parse("short").is_none() && FlowSecret::parse(&"?".repeat(43)).is_none());
        assert_eq!(format!("{a:?}"), "FlowSecret(..)");
    }
}
