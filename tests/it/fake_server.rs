//! A server for the agent to talk to that can be made to lie, which the real one cannot.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use prost::Message;
use sealink::{
    api::rules::Rpc,
    domain::{
        id::{IntegrationId, RegistrationId, RunnerId},
        secret::Secret,
    },
    pb::{
        gitpod::v1::{
            ExchangeTokenRequest, ExchangeTokenResponse, GetAuthenticatedIdentityRequest,
            GetAuthenticatedIdentityResponse, Principal, Subject,
        },
        sealink::v1::{
            BeginKeyRegistrationRequest, BeginKeyRegistrationResponse, CompleteKeyRegistrationRequest,
            CompleteKeyRegistrationResponse, ConfiguredIntegration, GetConfigurationRequest,
            GetConfigurationResponse, KeyState, ListKeysRequest, ListKeysResponse, RunnerKey,
        },
    },
    seal::{Field, Place, PublicKey, accept, expected_answer, seal, seal_challenge},
};
use uuid::Uuid;

const RANDOM: [u8; 32] = [7; 32];
/// What an administrator hands over.
pub(crate) const EXCHANGE_TOKEN: &str = "sealink_exc_canary";
const RUNNER_TOKEN: &str = "sealink_run_canary";

/// Everything the server knows; tests change it as they like.
pub(crate) struct World {
    pub(crate) runner: RunnerId,
    pub(crate) exchange_token_spent: bool,
    pub(crate) keys: Vec<(PublicKey, KeyState)>,
    pub(crate) integrations: Vec<ConfiguredIntegration>,
    /// Sent instead of a challenge.
    pub(crate) false_challenge: Option<Vec<u8>>,
    /// How often an answer to a challenge arrived.
    pub(crate) answers: usize,
    pending: Option<(RegistrationId, PublicKey)>,
}

/// The server; it ends with the process.
pub(crate) struct FakeServer {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
}

impl FakeServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World {
            runner: RunnerId(Uuid::from_u128(1)),
            exchange_token_spent: false,
            keys: Vec::new(),
            integrations: Vec::new(),
            false_challenge: None,
            answers: 0,
            pending: None,
        }));
        let shared = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &shared);
            }
        });
        Self { url, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl World {
    pub(crate) fn active(&self) -> Option<&PublicKey> {
        self.keys.iter().find(|(_, state)| *state == KeyState::Active).map(|(key, _)| key)
    }

    /// An integration whose secret is sealed with the ACTIVE key, as an honest server does it.
    pub(crate) fn integrate(&mut self, id: u128, host: &str, secret: &str) {
        let id = IntegrationId(Uuid::from_u128(id));
        let place = Place {
            runner: self.runner,
            sub: id.0,
            field: Field::OauthClientSecret,
            a: host,
            b: "",
            c: "client",
        };
        let secret = Secret::parse("secret", secret.to_owned()).unwrap();
        let sealed = seal(self.active().unwrap(), &place, &secret).unwrap();
        self.integrations.push(ConfiguredIntegration {
            id: id.to_string(),
            scm_id: "github".to_owned(),
            host: host.to_owned(),
            client_id: "client".to_owned(),
            encrypted_client_secret: sealed.bytes,
            kid: sealed.kid.0,
            ..Default::default()
        });
    }

    fn answer(&mut self, path: &str, authorization: &str, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        if path == ExchangeTokenRequest::PATH {
            let request = ExchangeTokenRequest::decode(body).unwrap();
            if self.exchange_token_spent || request.exchange_token != EXCHANGE_TOKEN {
                return Err("unauthenticated");
            }
            self.exchange_token_spent = true;
            return Ok(ExchangeTokenResponse { access_token: RUNNER_TOKEN.to_owned() }.encode_to_vec());
        }
        if authorization != format!("Bearer {RUNNER_TOKEN}") {
            return Err("unauthenticated");
        }
        Ok(match path {
            GetAuthenticatedIdentityRequest::PATH => self.identity().encode_to_vec(),
            ListKeysRequest::PATH => self.list_keys().encode_to_vec(),
            BeginKeyRegistrationRequest::PATH => self.begin(body).encode_to_vec(),
            CompleteKeyRegistrationRequest::PATH => self.complete(body).encode_to_vec(),
            GetConfigurationRequest::PATH => self.configuration().encode_to_vec(),
            _ => return Err("unimplemented"),
        })
    }

    fn identity(&self) -> GetAuthenticatedIdentityResponse {
        let subject = Subject { id: self.runner.to_string(), principal: Principal::Runner.into() };
        GetAuthenticatedIdentityResponse { subject: Some(subject), ..Default::default() }
    }

    fn list_keys(&self) -> ListKeysResponse {
        let keys = self.keys.iter().map(|(key, state)| RunnerKey {
            kid: key.kid().0.clone(),
            state: (*state).into(),
            public_key: key.wire_bytes().to_vec(),
            fingerprint: key.fingerprint(),
            ..Default::default()
        });
        ListKeysResponse { keys: keys.collect(), pagination: None }
    }

    fn begin(&mut self, body: &[u8]) -> BeginKeyRegistrationResponse {
        let request = BeginKeyRegistrationRequest::decode(body).unwrap();
        let key = accept(&request.public_key).unwrap();
        let id = RegistrationId(Uuid::from_u128(2));
        let challenge = |key| seal_challenge(key, self.runner, id, &RANDOM).unwrap();
        let answer = BeginKeyRegistrationResponse {
            registration_id: id.to_string(),
            challenge_new: self.false_challenge.clone().unwrap_or_else(|| challenge(&key)),
            challenge_old: self.active().map(challenge),
        };
        self.pending = Some((id, key));
        answer
    }

    fn complete(&mut self, body: &[u8]) -> CompleteKeyRegistrationResponse {
        self.answers += 1;
        let request = CompleteKeyRegistrationRequest::decode(body).unwrap();
        let (id, key) = self.pending.take().unwrap();
        assert_eq!(request.answer_new, expected_answer(&RANDOM, id, key.kid()));
        let proven = match (self.active(), &request.answer_old) {
            (Some(active), Some(answer)) => answer[..] == expected_answer(&RANDOM, id, active.kid()),
            (active, _) => active.is_none(),
        };
        let state = if proven { KeyState::Active } else { KeyState::Pending };
        if proven {
            self.keys.iter_mut().for_each(|(_, state)| *state = KeyState::Retiring);
        }
        let kid = key.kid().0.clone();
        self.keys.push((key, state));
        CompleteKeyRegistrationResponse { kid, state: state.into() }
    }

    fn configuration(&self) -> GetConfigurationResponse {
        GetConfigurationResponse {
            epoch: "e".to_owned(),
            revision: 3,
            runner_id: self.runner.to_string(),
            integrations: self.integrations.clone(),
            ..Default::default()
        }
    }
}

fn serve(stream: &TcpStream, world: &Mutex<World>) {
    let mut reader = BufReader::new(stream);
    let (mut path, mut authorization, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("POST ") {
            rest.split(' ').next().unwrap().clone_into(&mut path);
        } else if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "authorization" => value.clone_into(&mut authorization),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        } else {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, kind, answer) = match world.lock().unwrap().answer(&path, &authorization, &body) {
        Ok(answer) => (200, "application/proto", answer),
        Err(code) => (401, "application/json", format!("{{\"code\":\"{code}\"}}").into_bytes()),
    };
    let head = format!(
        "HTTP/1.1 {status} .\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    let mut stream = stream;
    stream.write_all(&[head.as_bytes(), &answer].concat()).unwrap();
}
