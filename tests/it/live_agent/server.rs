//! A server of the agent protocol that can be made to lie, to vanish and to come back.
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use prost::Message;
use sealink::{
    api::rules::Rpc,
    pb::{
        gitpod::v1::{
            GetRunnerConfigurationSchemaRequest, GetRunnerConfigurationSchemaResponse, GetRunnerRequest,
            GetRunnerResponse, Runner, RunnerConfigurationSchema, RunnerPhase, RunnerStatus,
        },
        sealink::v1::{
            ConfigurationObject, ConfigurationSnapshot, ConfiguredIntegration, ConfiguredLlmIntegration,
            DeletedObject, GetConfigurationRequest, GetConfigurationResponse, HeartbeatRequest,
            HeartbeatResponse, KeyState, ListKeysRequest, ListKeysResponse, RunnerKey, SendResponseRequest,
            SendResponseResponse, UpdateConfigurationSchemaRequest, UpdateConfigurationSchemaResponse,
            UpdateStatusRequest, UpdateStatusResponse, WatchConfigurationRequest, WatchConfigurationResponse,
            WatchRequestsRequest, WatchRequestsResponse, configuration_object::Object, deleted_object,
            send_response_request::Result as Reply, watch_configuration_response::Event,
            watch_requests_response::Call,
        },
    },
    seal::PublicKey,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::desk::RUNNER;

pub(super) const AGENT_TOKEN: &str = "sealink_run_canary";

type Streams = Vec<mpsc::UnboundedSender<Bytes>>;

/// What becomes of answers on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WayBack {
    Open,
    /// They come to nobody who understands them.
    Lost,
    /// They are taken if they are sealed with the ACTIVE key.
    NewKey,
    /// They are refused with this code.
    Refused(&'static str),
}

/// What the server knows and heard.
pub(super) struct World {
    pub(super) epoch: String,
    pub(super) revision: u64,
    /// Every change, for those who resume.
    log: Vec<WatchConfigurationResponse>,
    pub(super) integrations: Vec<ConfiguredIntegration>,
    pub(super) llm_integrations: Vec<ConfiguredLlmIntegration>,
    /// What is in force, and every schema that was reported.
    pub(super) schema: RunnerConfigurationSchema,
    pub(super) schemas: Vec<RunnerConfigurationSchema>,
    pub(super) keys: Vec<PublicKey>,
    /// Whose configuration snapshots are.
    pub(super) runner: String,
    pub(super) refuses_token: bool,
    pub(super) heartbeats: usize,
    pub(super) statuses: Vec<UpdateStatusRequest>,
    pub(super) watches: Vec<WatchConfigurationRequest>,
    pub(super) responses: Vec<SendResponseRequest>,
    /// What becomes of answers.
    pub(super) way_back: WayBack,
    /// How many answers came that were not taken.
    pub(super) lost: usize,
    watchers: Streams,
    listeners: Streams,
}

/// The server; it ends with its runtime.
pub(super) struct LiveServer {
    pub(super) address: SocketAddr,
    world: Arc<Mutex<World>>,
    task: Option<JoinHandle<()>>,
}

type Body = BoxBody<Bytes, Infallible>;

fn envelope(flags: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[flags], &length.to_be_bytes()[..], message].concat().into()
}

impl World {
    /// Any change.
    pub(super) fn change(&mut self, event: Event) {
        self.put(event);
    }

    fn put(&mut self, event: Event) {
        self.revision += 1;
        let message = WatchConfigurationResponse {
            epoch: self.epoch.clone(),
            revision: self.revision,
            event: Some(event),
        };
        self.say(&message);
        self.log.push(message);
    }

    /// Creates or changes an integration.
    pub(super) fn integrate(&mut self, integration: ConfiguredIntegration) {
        self.integrations.retain(|one| one.id != integration.id);
        self.integrations.push(integration.clone());
        self.put(Event::Put(ConfigurationObject { object: Some(Object::ScmIntegration(integration)) }));
    }

    /// Creates or changes an LLM integration.
    pub(super) fn integrate_llm(&mut self, one: ConfiguredLlmIntegration) {
        let id = |one: &ConfiguredLlmIntegration| one.integration.as_ref().map(|found| found.id.clone());
        self.llm_integrations.retain(|other| id(other) != id(&one));
        self.llm_integrations.push(one.clone());
        self.put(Event::Put(ConfigurationObject { object: Some(Object::LlmIntegration(one)) }));
    }

    pub(super) fn delete_llm(&mut self, id: &str) {
        self.llm_integrations.retain(|one| one.integration.as_ref().is_none_or(|found| found.id != id));
        let object = Some(deleted_object::Object::LlmIntegrationId(id.to_owned()));
        self.put(Event::Deleted(DeletedObject { object }));
    }

    pub(super) fn delete(&mut self, id: &str) {
        self.integrations.retain(|one| one.id != id);
        let object = Some(deleted_object::Object::ScmIntegrationId(id.to_owned()));
        self.put(Event::Deleted(DeletedObject { object }));
    }

    /// Sends a message to all who watch, whatever it is.
    pub(super) fn say(&mut self, message: &WatchConfigurationResponse) {
        let bytes = envelope(0, &message.encode_to_vec());
        self.watchers.retain(|watcher| watcher.send(bytes.clone()).is_ok());
    }

    pub(super) fn snapshot(&self) -> WatchConfigurationResponse {
        let object = |one: &ConfiguredIntegration| ConfigurationObject {
            object: Some(Object::ScmIntegration(one.clone())),
        };
        let llm = |one: &ConfiguredLlmIntegration| ConfigurationObject {
            object: Some(Object::LlmIntegration(one.clone())),
        };
        let llm = self.llm_integrations.iter().map(llm);
        let objects = self.integrations.iter().map(object).chain(llm).collect();
        let snapshot = ConfigurationSnapshot { runner_id: self.runner.clone(), objects };
        WatchConfigurationResponse {
            epoch: self.epoch.clone(),
            revision: self.revision,
            event: Some(Event::Snapshot(snapshot)),
        }
    }

    /// Offers a call to all agents that listen.
    pub(super) fn offer(&mut self, request_id: &str, attempt: u32, revision: u64, call: Option<Call>) {
        let message = WatchRequestsResponse {
            request_id: request_id.to_owned(),
            attempt,
            remaining: Some(Duration::from_secs(8).into()),
            revision,
            call,
            ..Default::default()
        };
        let bytes = envelope(0, &message.encode_to_vec());
        self.listeners.retain(|listener| listener.send(bytes.clone()).is_ok());
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watchers.iter().any(|watcher| !watcher.is_closed())
    }

    pub(super) fn is_listened_to(&self) -> bool {
        self.listeners.iter().any(|listener| !listener.is_closed())
    }

    /// Ends every stream as a server does that stops.
    pub(super) fn end_streams(&mut self) {
        self.end_streams_with(&envelope(2, br#"{"error":{"code":"unavailable","message":"stopping"}}"#));
    }

    /// The same, asking everybody to come back after `delay`.
    pub(super) fn end_streams_for(&mut self, delay: Duration) {
        // google.rpc.RetryInfo { retry_delay: Duration { seconds } }
        let info = [10, 2, 8, u8::try_from(delay.as_secs()).expect("a short delay")];
        let value = STANDARD_NO_PAD.encode(info);
        let json = format!(
            r#"{{"error":{{"code":"unavailable","details":[{{"type":"google.rpc.RetryInfo","value":"{value}"}}]}}}}"#
        );
        self.end_streams_with(&envelope(2, json.as_bytes()));
    }

    fn end_streams_with(&mut self, end: &Bytes) {
        for stream in self.watchers.drain(..).chain(self.listeners.drain(..)) {
            let _ = stream.send(end.clone());
        }
    }

    /// Whether an answer renews a credential, and that is sealed with the ACTIVE key.
    fn is_sealed_with_active(&self, body: &[u8]) -> bool {
        let response = SendResponseRequest::decode(body).expect("an answer");
        let Some(Reply::RefreshHostToken(renewed)) = response.result else { return false };
        self.keys.first().is_some_and(|key| key.kid().0 == renewed.kid)
    }

    fn unary(&mut self, path: &str, body: &[u8]) -> Option<Vec<u8>> {
        Some(match path {
            ListKeysRequest::PATH => {
                let keys = self.keys.iter().enumerate().map(|(at, key)| RunnerKey {
                    kid: key.kid().0.clone(),
                    state: if at == 0 { KeyState::Active } else { KeyState::Retiring }.into(),
                    public_key: key.wire_bytes().to_vec(),
                    fingerprint: key.fingerprint(),
                    ..Default::default()
                });
                ListKeysResponse { keys: keys.collect(), pagination: None }.encode_to_vec()
            }
            GetConfigurationRequest::PATH => GetConfigurationResponse {
                epoch: self.epoch.clone(),
                revision: self.revision,
                runner_id: self.runner.clone(),
                integrations: self.integrations.clone(),
                llm_integrations: self.llm_integrations.clone(),
                ..Default::default()
            }
            .encode_to_vec(),
            GetRunnerConfigurationSchemaRequest::PATH => {
                GetRunnerConfigurationSchemaResponse { schema: Some(self.schema.clone()) }.encode_to_vec()
            }
            UpdateConfigurationSchemaRequest::PATH => {
                let request = UpdateConfigurationSchemaRequest::decode(body).expect("a schema");
                self.schema = request.schema.expect("a schema");
                self.schemas.push(self.schema.clone());
                UpdateConfigurationSchemaResponse {}.encode_to_vec()
            }
            GetRunnerRequest::PATH => {
                let status = RunnerStatus { phase: RunnerPhase::Active.into(), ..Default::default() };
                let runner = Runner { status: Some(status), ..Default::default() };
                GetRunnerResponse { runner: Some(runner) }.encode_to_vec()
            }
            HeartbeatRequest::PATH => {
                self.heartbeats += 1;
                let active_kid = self.keys.first().map(|key| key.kid().0.clone()).unwrap_or_default();
                let interval = Some(Duration::from_millis(200).into());
                let phase = RunnerPhase::Active.into();
                HeartbeatResponse { phase, revision: self.revision, active_kid, interval }.encode_to_vec()
            }
            UpdateStatusRequest::PATH => {
                self.statuses.push(UpdateStatusRequest::decode(body).expect("a status"));
                UpdateStatusResponse {}.encode_to_vec()
            }
            SendResponseRequest::PATH => {
                self.responses.push(SendResponseRequest::decode(body).expect("an answer"));
                SendResponseResponse {}.encode_to_vec()
            }
            _ => return None,
        })
    }

    fn stream(&mut self, path: &str, body: &[u8]) -> Option<mpsc::UnboundedReceiver<Bytes>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let message = body.get(5..)?;
        match path {
            WatchConfigurationRequest::PATH => {
                let request = WatchConfigurationRequest::decode(message).expect("a request");
                let resumes = request.epoch == self.epoch && request.after_revision <= self.revision;
                let first = if resumes && request.after_revision > 0 {
                    let after = |one: &&WatchConfigurationResponse| one.revision > request.after_revision;
                    self.log.iter().filter(after).cloned().collect()
                } else {
                    vec![self.snapshot()]
                };
                for message in first {
                    let _ = sender.send(envelope(0, &message.encode_to_vec()));
                }
                self.watches.push(request);
                self.watchers.push(sender);
            }
            WatchRequestsRequest::PATH => self.listeners.push(sender),
            _ => return None,
        }
        Some(receiver)
    }
}

impl LiveServer {
    pub(super) async fn start(keys: Vec<PublicKey>) -> Self {
        let world = Arc::new(Mutex::new(World {
            epoch: "epoch-1".to_owned(),
            revision: 1,
            log: Vec::new(),
            integrations: Vec::new(),
            llm_integrations: Vec::new(),
            schema: RunnerConfigurationSchema::default(),
            schemas: Vec::new(),
            keys,
            runner: RUNNER.to_string(),
            refuses_token: false,
            heartbeats: 0,
            statuses: Vec::new(),
            watches: Vec::new(),
            responses: Vec::new(),
            way_back: WayBack::Open,
            lost: 0,
            watchers: Vec::new(),
            listeners: Vec::new(),
        }));
        let mut server = Self { address: ([127, 0, 0, 1], 0).into(), world, task: None };
        server.come_back().await;
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Vanishes as with a cable pulled: the port is closed, and so is every connection.
    pub(super) async fn vanish(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        let mut world = self.world();
        world.watchers.clear();
        world.listeners.clear();
    }

    /// Listens again, at the same address.
    pub(super) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port");
        self.address = listener.local_addr().expect("its address");
        let world = Arc::clone(&self.world);
        self.task = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&world);
                let service = service_fn(move |request| answer(Arc::clone(&world), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(connection);
            }
        }));
    }
}

async fn answer(world: Arc<Mutex<World>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let known =
        parts.headers.get("authorization").is_some_and(|value| value == &format!("Bearer {AGENT_TOKEN}"));
    if !known || world.refuses_token {
        return Ok(reply(401, "application/json", br#"{"code":"unauthenticated"}"#.to_vec()));
    }
    if parts.uri.path() == SendResponseRequest::PATH {
        let refused = match world.way_back {
            WayBack::Open => None,
            WayBack::Lost => Some(reply(502, "text/html", b"<html>".to_vec())),
            WayBack::NewKey => (!world.is_sealed_with_active(&body)).then(|| refusal("failed_precondition")),
            WayBack::Refused(code) => Some(refusal(code)),
        };
        if let Some(refused) = refused {
            world.lost += 1;
            return Ok(refused);
        }
    }
    if let Some(answer) = world.unary(parts.uri.path(), &body) {
        return Ok(reply(200, "application/proto", answer));
    }
    if let Some(messages) = world.stream(parts.uri.path(), &body) {
        use futures_util::StreamExt as _;
        let frames = UnboundedReceiverStream::new(messages).map(|bytes| Ok(Frame::data(bytes)));
        let mut answer = Response::new(BodyExt::boxed(StreamBody::new(frames)));
        answer.headers_mut().insert("content-type", "application/connect+proto".parse().expect("a header"));
        return Ok(answer);
    }
    Ok(reply(501, "application/json", br#"{"code":"unimplemented"}"#.to_vec()))
}

fn refusal(code: &str) -> Response<Body> {
    reply(400, "application/json", format!(r#"{{"code":"{code}"}}"#).into_bytes())
}

fn reply(status: u16, kind: &str, body: Vec<u8>) -> Response<Body> {
    let mut reply = Response::new(Full::new(Bytes::from(body)).boxed());
    *reply.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    reply.headers_mut().insert("content-type", kind.parse().expect("a header"));
    reply
}
