//! An agent's desk with a fake forge behind it, and the secrets a server would hand it.
use std::{
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use sealink::{
    agent::{
        calls::{Desk, Failure},
        configuration::Configuration,
        dir::AgentDir,
        keys::KeyDir,
        log::LogTail,
        opener::Opener,
    },
    clock::Instant,
    domain::{id::RunnerId, scm::Scm},
    pb::{
        gitpod::v1::{
            HostAuthenticationTokenSource as Source, LlmIntegration, LlmIntegrationPhase,
            LlmIntegrationRequestHeader, LlmIntegrationRequestHeaderType, Principal, Subject, SupportedModel,
        },
        sealink::v1::{
            CallError, ConfigurationObject, ConfigurationSnapshot, ConfiguredIntegration,
            ConfiguredLlmIntegration, HostCredential, LiveCaller, WatchConfigurationResponse,
            configuration_object::Object, send_response_request::Result as Reply,
            watch_configuration_response::Event, watch_requests_response::Call,
        },
    },
    scm::{
        egress::Policy,
        http::{Http, Limits},
    },
    seal::{Field, Place, PublicKey, seal},
};
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

use crate::forges::{CLIENT_ID, CLIENT_SECRET, FakeForge, Kind, TOKEN, allowed, secret};

pub(crate) const RUNNER: RunnerId = RunnerId(Uuid::from_u128(1));
pub(crate) const INTEGRATION: Uuid = Uuid::from_u128(10);
pub(crate) const TOKEN_ID: Uuid = Uuid::from_u128(20);
pub(crate) const SUBJECT: &str = "0198a7c0-0000-7000-8000-0000000000aa";
/// The id of the call under test.
pub(crate) const REQUEST: Uuid = Uuid::from_u128(30);

/// What a machine that is busy with other tests still keeps.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(10), total: Duration::from_mins(1), rest: Duration::from_secs(1) };

/// One desk, and one integration.
pub(crate) struct Room {
    pub(crate) desk: Desk,
    pub(crate) key: PublicKey,
    pub(crate) opener: Arc<Mutex<Opener>>,
    pub(crate) integration: ConfiguredIntegration,
    pub(crate) configuration: watch::Sender<Arc<Configuration>>,
    _dir: TempDir,
}

/// A room whose integration is a fake forge.
pub(crate) struct Office {
    pub(crate) forge: FakeForge,
    pub(crate) room: Room,
}

impl Deref for Office {
    type Target = Room;

    fn deref(&self) -> &Room {
        &self.room
    }
}

/// The configuration that holds these integrations.
pub(crate) fn configuration(revision: u64, integrations: &[ConfiguredIntegration]) -> Configuration {
    let object = |one: &ConfiguredIntegration| ConfigurationObject {
        object: Some(Object::ScmIntegration(one.clone())),
    };
    let objects = integrations.iter().map(object).collect();
    let message = WatchConfigurationResponse {
        epoch: "e".to_owned(),
        revision,
        event: Some(Event::Snapshot(ConfigurationSnapshot { runner_id: RUNNER.to_string(), objects })),
    };
    Configuration::default().after(message, RUNNER, Instant(1)).expect("a snapshot").0
}

/// An integration for a host, its client secret sealed.
pub(crate) fn integration(key: &PublicKey, id: Uuid, scm: Scm, host: &str) -> ConfiguredIntegration {
    integration_of(key, id, scm, host, (CLIENT_ID, CLIENT_SECRET))
}

/// The same for another OAuth app: client id and secret.
pub(crate) fn integration_of(
    key: &PublicKey,
    id: Uuid,
    scm: Scm,
    host: &str,
    (client_id, client_secret): (&str, &str),
) -> ConfiguredIntegration {
    let place =
        Place { runner: RUNNER, sub: id, field: Field::OauthClientSecret, a: host, b: "", c: client_id };
    let sealed = seal(key, &place, &secret(client_secret)).expect("sealed");
    ConfiguredIntegration {
        id: id.to_string(),
        scm_id: scm.id().to_owned(),
        host: host.to_owned(),
        client_id: client_id.to_owned(),
        pat: true,
        encrypted_client_secret: sealed.bytes,
        kid: sealed.kid.0,
        version: 1,
        ..Default::default()
    }
}

/// An LLM integration with an API key and one header, sealed for their places.
pub(crate) fn llm_integration(
    key: &PublicKey,
    id: Uuid,
    (api_key, header): (&str, &str),
) -> ConfiguredLlmIntegration {
    const ENDPOINT: &str = "https://llm.example.com/v1";
    let sealed = |field, name: &str, text| {
        let place = Place { runner: RUNNER, sub: id, field, a: ENDPOINT, b: name, c: "" };
        seal(key, &place, &secret(text)).expect("sealed")
    };
    let (api_key, header) =
        (sealed(Field::LlmApiKey, "", api_key), sealed(Field::LlmHeader, "x-team", header));
    let integration = LlmIntegration {
        id: id.to_string(),
        models: vec![SupportedModel::Sonnet45.into()],
        endpoint: ENDPOINT.to_owned(),
        encrypted_api_key: api_key.bytes,
        request_headers: vec![LlmIntegrationRequestHeader {
            key: "x-team".to_owned(),
            value: header.bytes,
            header_type: LlmIntegrationRequestHeaderType::Literal.into(),
        }],
        phase: LlmIntegrationPhase::Available.into(),
        ..Default::default()
    };
    ConfiguredLlmIntegration {
        integration: Some(integration),
        kid: api_key.kid.0,
        header_kids: vec![header.kid.0],
        version: 1,
        ..Default::default()
    }
}

impl Room {
    /// A desk that may ask `origin`, with the integration that `make` gives.
    pub(crate) fn open_at(origin: &str, make: impl FnOnce(&PublicKey) -> ConfiguredIntegration) -> Self {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = AgentDir::create(&parent.path().join("agent")).expect("a directory");
        let keys = KeyDir::new(&parent.path().join("keys"));
        let key = keys.generate(2_048).expect("a key").public().clone();
        let integration = make(&key);
        let sender = watch::Sender::new(Arc::new(configuration(1, std::slice::from_ref(&integration))));
        let policy = Policy::new(allowed(origin));
        let http = Http::new(policy, None, LIMITS).expect("a client");
        let opener = Arc::new(Mutex::new(Opener::new(RUNNER, &dir, &keys).expect("an opener")));
        let active = Arc::new(Mutex::new(Some(key.kid().clone())));
        let desk =
            Desk::new(RUNNER, http, Arc::clone(&opener), sender.subscribe(), active, LogTail::default());
        Self { desk, key, opener, integration, configuration: sender, _dir: parent }
    }

    /// The caller with a credential for `host`, sealed for its place.
    pub(crate) fn caller_at(&self, host: &str, token: &str, source: Source) -> LiveCaller {
        let name = if source == Source::Pat { "PAT" } else { "OAUTH" };
        let place = Place {
            runner: RUNNER,
            sub: TOKEN_ID,
            field: Field::HostTokenValue,
            a: host,
            b: SUBJECT,
            c: name,
        };
        let sealed = seal(&self.key, &place, &secret(token)).expect("sealed");
        let credential = HostCredential {
            token_id: TOKEN_ID.to_string(),
            host: host.to_owned(),
            sealed_token: sealed.bytes,
            kid: sealed.kid.0,
            source: source.into(),
            ..Default::default()
        };
        LiveCaller { subject: Some(subject()), credentials: vec![credential] }
    }

    pub(crate) async fn answer(&self, call: Call) -> Result<Reply, Failure> {
        self.desk.answer(&REQUEST.to_string(), call).await
    }

    /// The error that a call ends with, as it goes out.
    pub(crate) async fn refused(&self, call: Call) -> CallError {
        let error: CallError = self.answer(call).await.expect_err("a refusal").into();
        assert!(!error.message.contains("canary"), "{error:?}");
        error
    }
}

impl Office {
    pub(crate) async fn open(kind: Kind, scm: Scm) -> Self {
        Self::open_with(FakeForge::start(kind).await, scm)
    }

    pub(crate) fn open_with(forge: FakeForge, scm: Scm) -> Self {
        let make = |key: &PublicKey| integration(key, INTEGRATION, scm, &forge.host());
        let room = Room::open_at(&forge.origin, make);
        Self { forge, room }
    }

    /// The caller with a good token.
    pub(crate) fn caller(&self) -> LiveCaller {
        self.caller_at(&self.forge.host(), TOKEN, Source::Pat)
    }
}

pub(crate) fn subject() -> Subject {
    Subject { id: SUBJECT.to_owned(), principal: Principal::User.into() }
}
