//! Registration: a token for this runner, and proof that we hold the key we offer.
use super::{
    dir::{AgentDir, State},
    keys::{DEFAULT_BITS, KeyDir, Keys},
};
use crate::{
    client::{Client, ClientError, Server, Token},
    domain::{
        id::{RegistrationId, RunnerId},
        secret::Kid,
    },
    error::{Error, Kind, Result},
    pb::{
        gitpod::v1::{ExchangeTokenRequest, GetAuthenticatedIdentityRequest, Principal},
        sealink::v1::{
            BeginKeyRegistrationRequest, CompleteKeyRegistrationRequest, KeyState, ListKeysRequest, RunnerKey,
        },
    },
    seal::{
        key::PublicKey,
        open::{KeyRing, OpenError, PrivateKey, answer_challenge},
    },
};

/// A runner's client, and which runner it is.
#[derive(Debug)]
pub struct Session {
    /// Shows the runner's own token.
    pub client: Client,
    /// The runner the token belongs to.
    pub runner_id: RunnerId,
}

/// How a registration ended.
#[derive(Debug)]
pub struct Registered {
    /// The runner.
    pub runner_id: RunnerId,
    /// The public half of the key.
    pub key: PublicKey,
    /// ACTIVE, or PENDING until an administrator approves it.
    pub state: KeyState,
}

/// Opens a session as the runner: with the token of an earlier registration if the server still takes it
/// (`exchange` is then not spent), else by exchanging `exchange` for a new one, which is kept.
///
/// # Errors
/// [`Kind::Precondition`] if the directory belongs to another server, [`Kind::Unauthenticated`] if there
/// is no usable token, and whatever the server says.
pub async fn sign_in(dir: &AgentDir, server: Option<Server>, exchange: Option<Token>) -> Result<Session> {
    let _lock = dir.lock()?;
    if let Some(state) = dir.state()? {
        let server = server.unwrap_or_else(|| state.server.clone());
        return match (resume(dir, server.clone(), state).await, exchange) {
            (Err(error), Some(exchange)) if error.kind() == Kind::Unauthenticated => {
                redeem(dir, server, &exchange).await
            }
            (session, _) => session,
        };
    }
    let server = server.map_or_else(|| Server::parse(Server::DEFAULT), Ok)?;
    let exchange = exchange.ok_or_else(|| {
        Error::new(
            Kind::Invalid,
            "no exchange token: run `sealink agent register < FILE` with the file that `sealink runner create NAME \
             --exchange-token-file FILE` wrote",
        )
    })?;
    redeem(dir, server, &exchange).await
}

/// Goes on with the token of an earlier registration without asking whether the server still takes it: for an
/// agent that must work while the server is away.
///
/// # Errors
/// [`Kind::Precondition`] if the directory belongs to another server, or if nothing was registered in it.
pub fn resume_unasked(dir: &AgentDir, server: Option<Server>) -> Result<Session> {
    let never = || {
        Error::new(Kind::Precondition, "this agent was never registered; run `sealink agent register < FILE`")
    };
    let state = dir.state()?.ok_or_else(never)?;
    let server = server.unwrap_or_else(|| state.server.clone());
    require_same(&server, &state)?;
    let client = Client::new(server, Some(&state.token))?;
    Ok(Session { client, runner_id: state.runner_id.ok_or_else(never)? })
}

fn require_same(server: &Server, state: &State) -> Result<()> {
    if server.is_same(&state.server) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Precondition,
        format!("this agent directory is registered with {}; use another --agent-dir", state.server),
    ))
}

/// Goes on with the token of an earlier registration.
async fn resume(dir: &AgentDir, server: Server, state: State) -> Result<Session> {
    require_same(&server, &state)?;
    let client = Client::new(server.clone(), Some(&state.token))?;
    let runner_id = identify(&client).await?;
    if state.runner_id.is_some_and(|known| known != runner_id) {
        return Err(Error::new(
            Kind::DataLoss,
            "the server takes this agent for another runner than the one it registered as; is it the same server?",
        ));
    }
    if state.runner_id.is_none() || server != state.server {
        dir.save(&State { server, runner_id: Some(runner_id), token: state.token })?;
    }
    Ok(Session { client, runner_id })
}

/// Exchanges a one-time token. It is spent afterwards, so the answer is on disk before anything else.
async fn redeem(dir: &AgentDir, server: Server, exchange: &Token) -> Result<Session> {
    let request = ExchangeTokenRequest { exchange_token: exchange.expose().to_owned() };
    let answer = Client::new(server.clone(), None)?.call(&request).await.map_err(|error| {
        if !error.is_token_refused() {
            return error.into();
        }
        Error::new(
            Kind::Unauthenticated,
            "the server refused the exchange token: it works once and for 24 hours; ask an administrator for a new one",
        )
    })?;
    let token = Token::parse("the server's answer", &answer.access_token)?;
    let client = Client::new(server.clone(), Some(&token))?;
    let mut state = State { server, runner_id: None, token };
    dir.save(&state)?;
    let runner_id = identify(&client).await?;
    state.runner_id = Some(runner_id);
    dir.save(&state)?;
    Ok(Session { client, runner_id })
}

/// Asks the server which runner this token belongs to.
async fn identify(client: &Client) -> Result<RunnerId> {
    let answer = client.call(&GetAuthenticatedIdentityRequest {}).await.map_err(refused)?;
    let subject = answer.subject.unwrap_or_default();
    if subject.principal() != Principal::Runner {
        return Err(Error::new(
            Kind::Forbidden,
            "the token is not a runner's; an agent needs an exchange token",
        ));
    }
    RunnerId::parse("subject.id", &subject.id)
}

/// Says what to do if the server no longer takes the runner's token.
pub(super) fn refused(error: ClientError) -> Error {
    if !error.is_token_refused() {
        return error.into();
    }
    Error::new(
        Kind::Unauthenticated,
        "the server no longer takes this runner's token; ask an administrator for a new exchange token and run \
         `sealink agent register < FILE`",
    )
}

/// Registers a key: `wanted` if named, else one the server does not know yet, else a new one. If one of ours
/// is ACTIVE or waits for approval already, that is the answer. `show` gets a public key before it is
/// offered, so that its fingerprint can be printed.
///
/// # Errors
/// [`Kind::NotFound`] if the wanted key is not in the directory, [`Kind::DataLoss`] if the server's
/// challenge is not one, and whatever the server says.
pub async fn register(
    session: &Session,
    keys: &KeyDir,
    wanted: Option<&Kid>,
    show: impl Fn(&PublicKey),
) -> Result<Registered> {
    let runner_id = session.runner_id;
    let request = ListKeysRequest { runner_id: runner_id.to_string(), ..Default::default() };
    let known = session.client.list(request).await.map_err(refused)?;
    let mut ours = keys.load()?;
    let key = match pick(&ours, &known, wanted)? {
        Pick::Settled(key, state) => return Ok(Registered { runner_id, key, state }),
        Pick::Offer(key) => key,
        Pick::Make => {
            let key = keys.generate(DEFAULT_BITS)?.public().clone();
            ours = keys.load()?;
            key
        }
    };
    show(&key);
    let active = known.iter().find(|known| known.state() == KeyState::Active);
    let holds_old = active.is_some_and(|active| ours.ring.get(&Kid(active.kid.clone())).is_some());
    prove(session, &ours.ring, key, holds_old).await
}

enum Pick {
    /// There is nothing to do: the key is known, and in this state.
    Settled(PublicKey, KeyState),
    Offer(PublicKey),
    Make,
}

fn pick(ours: &Keys, known: &[RunnerKey], wanted: Option<&Kid>) -> Result<Pick> {
    let state_of = |key: &PrivateKey| {
        let kid = &key.public().kid().0;
        known.iter().find(|known| &known.kid == kid).map(RunnerKey::state)
    };
    if let Some(kid) = wanted {
        let key = ours.ring.get(kid).ok_or_else(|| {
            Error::new(Kind::NotFound, "no such key in the key directory; `sealink agent keygen` makes one")
        })?;
        let public = key.public().clone();
        return Ok(match state_of(key) {
            Some(state @ KeyState::Active) => Pick::Settled(public, state),
            _ => Pick::Offer(public),
        });
    }
    for state in [KeyState::Active, KeyState::Pending] {
        if let Some(key) = ours.newest_first().find(|key| state_of(key) == Some(state)) {
            return Ok(Pick::Settled(key.public().clone(), state));
        }
    }
    let fresh = ours.newest_first().find(|key| state_of(key).is_none());
    Ok(fresh.map_or(Pick::Make, |key| Pick::Offer(key.public().clone())))
}

/// Begin, answer, Complete.
async fn prove(session: &Session, ring: &KeyRing, key: PublicKey, holds_old: bool) -> Result<Registered> {
    let Session { client, runner_id } = session;
    let offer = BeginKeyRegistrationRequest {
        runner_id: runner_id.to_string(),
        public_key: key.wire_bytes().to_vec(),
    };
    let begun = client.call(&offer).await.map_err(refused)?;
    let registration = RegistrationId::parse("registration_id", &begun.registration_id)?;
    let answer = |challenge: &[u8]| {
        answer_challenge(ring, *runner_id, registration, challenge)
            .map(|answer| answer.to_vec())
            .map_err(not_a_challenge)
    };
    let answer_new = answer(&begun.challenge_new)?;
    let answer_old = begun.challenge_old.as_deref().filter(|_| holds_old).map(answer).transpose()?;
    let complete =
        CompleteKeyRegistrationRequest { registration_id: begun.registration_id, answer_new, answer_old };
    let completed = client.call(&complete).await.map_err(refused)?;
    if completed.kid != key.kid().0 {
        return Err(Error::new(
            Kind::DataLoss,
            "the server registered another key than the one that was offered",
        ));
    }
    Ok(Registered { runner_id: *runner_id, key, state: completed.state() })
}

/// An honest server never sends what cannot be answered.
fn not_a_challenge(error: OpenError) -> Error {
    Error::new(Kind::DataLoss, "what the server sent is not a challenge for this key; nothing was answered")
        .caused_by(error)
}
