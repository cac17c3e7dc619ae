//! Connecting a user's account at a forge by OAuth. The browser talks to the server; what needs the client secret
//! happens at the runner's agent, and what comes of it is sealed to the runner.
use url::Url;

use super::Service;
use crate::{
    clock::Instant,
    domain::{
        access::{Caller, Principal},
        audit::{Actor, Entry},
        host_token::{HostToken, Source, Subject, SubjectKind, check_scopes},
        id::HostTokenId,
        integration::Integration,
        live_call::unfitting,
        oauth_ticket::{Ended, FlowSecret, LIFE, OauthClient, OauthTicket},
        runner::Runner,
        secret::{Kid, Sealed},
    },
    error::{Error, Result},
    seal::{Field, Place, random},
    store::{NewHostTokenRow, NewSecret},
};

/// The path that forges send browsers back to.
pub const CALLBACK: &str = "/oauth/callback";

/// A flow with what it is about.
#[derive(Debug)]
pub struct OauthFlow {
    /// The flow.
    pub ticket: OauthTicket,
    /// The runner.
    pub runner: Runner,
    /// The integration, which has OAuth.
    pub integration: Integration,
}

/// Why a flow does not go on.
enum Stop {
    /// It has lost what it stands on, which its user may hear.
    Ended(Ended),
    /// It could not be looked up.
    Failed(Error),
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Who connects what, for a person to read.
#[derive(Clone, Debug)]
pub struct OauthNames {
    /// The user's name.
    pub user: String,
    /// The organization's name.
    pub organization: String,
}

/// A credential as an agent got it from a forge.
#[derive(Debug)]
pub struct Connected {
    /// The host token's id, which both values are bound to.
    pub id: HostTokenId,
    /// The credential, sealed to the runner.
    pub value: Vec<u8>,
    /// What it is renewed with, sealed to the runner; empty if with nothing.
    pub refresh: Vec<u8>,
    /// The key both are sealed with.
    pub kid: String,
    /// What the forge granted.
    pub scopes: Vec<String>,
    /// When it ends; `None`: it does not.
    pub expires_at: Option<Instant>,
}

impl Service {
    /// A fresh link at which the caller connects its account through `integration`; empty if it cannot.
    pub async fn oauth_link(&self, caller: &Caller, integration: &Integration) -> Result<String> {
        let Principal::User { id: user, .. } = caller.principal else { return Ok(String::new()) };
        if integration.oauth.as_ref().is_none_or(|oauth| oauth.secret.is_none()) {
            return Ok(String::new());
        }
        let Some(client) = OauthClient::of(integration) else { return Ok(String::new()) };
        let link = FlowSecret::new(&*random::bytes()?);
        let ticket = OauthTicket {
            id: self.clock.new_id(),
            organization: caller.organization,
            user,
            runner: integration.runner,
            integration: integration.id,
            client,
            token: caller.token.clone(),
            started: false,
            cookie: None,
            verifier: None,
            expires_at: self.now().plus(LIFE),
            finished: false,
        };
        self.store.open_oauth_ticket(ticket, link.hash()).await?;
        Ok(self.public_url.join(&format!("/oauth/start/{}", link.expose())))
    }

    /// Where forges send browsers back to.
    #[must_use]
    pub fn oauth_callback(&self) -> String {
        self.public_url.join(CALLBACK)
    }

    /// Whether browsers reach the server over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.is_secure()
    }

    /// The flow of a link that nobody has used yet.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if there is none, or it has ended;
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) if its user lost the runner.
    pub async fn oauth_flow(&self, link: &FlowSecret) -> Result<OauthFlow> {
        let ticket = self.store.oauth_ticket(link.hash()).await?;
        self.flow(ticket, |ticket| ticket.started).await
    }

    /// The flow that a forge answers with `state`.
    ///
    /// # Errors
    /// As [`Service::oauth_flow`].
    pub async fn oauth_flow_of_state(&self, state: &FlowSecret) -> Result<OauthFlow> {
        let ticket = self.store.oauth_ticket_of_state(state.hash()).await?;
        self.flow(ticket, |ticket| ticket.finished).await
    }

    /// The flow of a ticket, if it can go on; else it is written down why it cannot.
    async fn flow(
        &self,
        ticket: Option<OauthTicket>,
        used: impl Fn(&OauthTicket) -> bool,
    ) -> Result<OauthFlow> {
        let ticket = ticket.ok_or_else(|| Error::not_found("link"))?;
        let used = used(&ticket);
        match self.going_on(&ticket, used).await {
            Ok((runner, integration)) => Ok(OauthFlow { ticket, runner, integration }),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Ended(ended)) => {
                let entry = Entry::new("oauth.fail", &ticket.id)
                    .of_runner(ticket.runner)
                    .with("integration", ticket.integration.to_string())
                    .with("reason", ended.reason());
                if let Err(error) =
                    self.store.note_oauth_failure(self.user_of(&ticket), ticket.id, entry).await
                {
                    tracing::warn!(%error, "a flow that ended was not written down");
                }
                Err(ended.into())
            }
        }
    }

    async fn going_on(&self, ticket: &OauthTicket, used: bool) -> Result<(Runner, Integration), Stop> {
        let now = self.now();
        if used {
            return Err(Ended::Used.into());
        }
        if ticket.expires_at <= now {
            return Err(Ended::Expired.into());
        }
        let runner = self.store.runner(ticket.organization, ticket.runner).await?.ok_or(Ended::Changed)?;
        let standing = self.store.oauth_standing(ticket, now).await?;
        ticket.stands(standing, &runner.facts())?;
        let found = self.store.integration(ticket.organization, ticket.integration).await?;
        let (integration, _) = found.ok_or(Ended::Changed)?;
        ticket.fits(Some(&integration))?;
        Ok((runner, integration))
    }

    /// Who connects what.
    pub async fn oauth_names(&self, flow: &OauthFlow) -> Result<OauthNames> {
        let names = self.store.oauth_names(flow.ticket.organization, flow.ticket.user).await?;
        let (organization, user) = names.ok_or_else(|| Error::not_found("user"))?;
        Ok(OauthNames { user, organization })
    }

    /// Gives the flow to the browser with `cookie`, once; the state that the forge is to return.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if it was used.
    pub async fn start_oauth(&self, flow: &OauthFlow, cookie: &FlowSecret) -> Result<FlowSecret> {
        let state = FlowSecret::new(&*random::bytes()?);
        if !self.store.start_oauth_ticket(flow.ticket.id, cookie.hash(), state.hash()).await? {
            return Err(Error::not_found("link"));
        }
        self.note_oauth(flow, "oauth.start").await?;
        Ok(state)
    }

    /// Keeps what an agent said of the forge's page, and checks where it would send the browser.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) for a page that is not the forge's or its issuer's, or a
    /// verifier that is none.
    pub async fn begin_oauth(
        &self,
        flow: &OauthFlow,
        authorize_url: &str,
        verifier: Vec<u8>,
        kid: String,
    ) -> Result<()> {
        let integration = &flow.integration;
        let oauth = integration.oauth.as_ref().ok_or_else(unfitting)?;
        let page = Url::parse(authorize_url).map_err(|_| unfitting())?;
        // An agent does not decide where people type their passwords.
        if !integration.asks_at(&page, &self.allowed_origins) {
            return Err(unfitting());
        }
        let place = Place {
            runner: flow.runner.id,
            sub: flow.ticket.id,
            field: Field::OauthVerifier,
            a: integration.host.as_str(),
            b: oauth.issuer.as_ref().map_or("", |issuer| issuer.as_str()),
            c: &oauth.client_id,
        };
        self.keys.require_fit(&flow.runner, &place, &verifier, &kid)?;
        self.store.keep_oauth_verifier(flow.ticket.id, Sealed { bytes: verifier, kid: Kid(kid) }).await
    }

    /// Takes the flow's last step, once.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if it was taken.
    pub async fn finish_oauth(&self, flow: &OauthFlow) -> Result<()> {
        if self.store.finish_oauth_ticket(flow.ticket.id, self.now()).await? {
            Ok(())
        } else {
            Err(Error::not_found("link"))
        }
    }

    /// A fresh id for the host token that a flow will make.
    #[must_use]
    pub fn new_host_token_id(&self) -> HostTokenId {
        HostTokenId(self.clock.new_id())
    }

    /// Stores the credential of a flow in place of whatever its user had for that host, if its user may have it
    /// still.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) for values that are none;
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) and [`Kind::Forbidden`](crate::error::Kind::Forbidden) if the flow
    /// has lost what it stands on; [`Kind::Conflict`](crate::error::Kind::Conflict) if the runner's key was replaced.
    pub async fn connect(&self, flow: &OauthFlow, connected: Connected) -> Result<()> {
        let Connected { id, value, refresh, kid, scopes, expires_at } = connected;
        let now = self.now();
        let user = flow.ticket.user.to_string();
        let place = |field| Place {
            runner: flow.runner.id,
            sub: id.0,
            field,
            a: flow.integration.host.as_str(),
            b: &user,
            c: Source::Oauth.name(),
        };
        self.keys.require_fit(&flow.runner, &place(Field::HostTokenValue), &value, &kid)?;
        if !refresh.is_empty() {
            self.keys.require_fit(&flow.runner, &place(Field::HostTokenRefresh), &refresh, &kid)?;
        }
        let subject = Subject { id: flow.ticket.user.0, kind: SubjectKind::User };
        let token = HostToken {
            id,
            runner: flow.runner.id,
            host: flow.integration.host.clone(),
            subject,
            source: Source::Oauth,
            integration: Some(flow.integration.id),
            scopes: check_scopes(scopes)?,
            expires_at,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let secret =
            |bytes| NewSecret { id: self.clock.new_id(), sealed: Sealed { bytes, kid: Kid(kid.clone()) } };
        let value = secret(value);
        let refresh = if refresh.is_empty() { None } else { Some(secret(refresh)) };
        let row = NewHostTokenRow { token, value, refresh };
        let (actor, ticket) = (self.user_of(&flow.ticket), flow.ticket.clone());
        self.store.connect_host_token(actor, ticket, flow.runner.facts(), row).await
    }

    /// Writes down that a flow went on.
    async fn note_oauth(&self, flow: &OauthFlow, action: &'static str) -> Result<()> {
        self.store.note(self.user_of(&flow.ticket), described(action, flow)).await
    }

    /// Writes down why a flow failed.
    pub async fn note_oauth_failure(&self, flow: &OauthFlow, reason: &'static str) -> Result<()> {
        let entry = described("oauth.fail", flow).with("reason", reason);
        self.store.note_oauth_failure(self.user_of(&flow.ticket), flow.ticket.id, entry).await
    }

    /// A flow's user, about to make one change.
    fn user_of(&self, ticket: &OauthTicket) -> Actor {
        let server = Actor::server(ticket.organization, self.now(), self.clock.new_id());
        Actor { kind: "user", id: ticket.user.0, ..server }
    }
}

fn described(action: &'static str, flow: &OauthFlow) -> Entry {
    Entry::new(action, &flow.ticket.id).of_runner(flow.runner.id).with("host", flow.integration.host.as_str())
}
