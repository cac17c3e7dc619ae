//! Somebody who calls.
use std::{net::SocketAddr, sync::Arc};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use prost::Message;
use sealink::api::rules::Rpc;
use serde_json::Value;

use super::{Answer, EventStream, Heard, Watch};

/// Whoever holds one token, or none.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) token: Option<String>,
    /// The user's or runner's id where the test made it; else empty.
    pub(crate) id: String,
    http: reqwest::Client,
    address: SocketAddr,
    pub(crate) watch: Arc<Watch>,
}

/// `/gitpod.v1.RunnerService/GetRunner` for `RunnerService/GetRunner`.
fn path_of(method: &str) -> String {
    let service = method.split('/').next().unwrap_or_default();
    let package = match service {
        "RunnerConfigurationService" | "RunnerService" | "IdentityService" | "GroupService" => "gitpod.v1",
        "Health" => "grpc.health.v1",
        _ => "sealink.v1",
    };
    format!("/{package}.{method}")
}

impl Actor {
    pub(crate) fn new(
        http: reqwest::Client,
        address: SocketAddr,
        token: Option<String>,
        watch: &Arc<Watch>,
    ) -> Self {
        if let Some(token) = &token {
            watch.keep_secret("a token", token.as_bytes());
        }
        Self { token, id: String::new(), http, address, watch: Arc::clone(watch) }
    }

    /// The same token from elsewhere in the test.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        self.watch.keep_secret("a token", token.as_bytes());
        Self { token: Some(token.to_owned()), id: String::new(), ..self.clone() }
    }

    /// The same caller, known by `id`.
    pub(crate) fn known_as(self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self }
    }

    /// The same caller on other connections.
    pub(crate) fn through(&self, http: &reqwest::Client) -> Self {
        Self { http: http.clone(), ..self.clone() }
    }

    /// A request to be sent, with this caller's token.
    pub(crate) fn post(&self, path_and_query: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("http://{}{path_and_query}", self.address));
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// A request to be sent, with no token.
    pub(crate) fn request(&self, method: http::Method, path_and_query: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path_and_query}", self.address))
    }

    /// `Service/Method`, by Connect with JSON; the method may carry a query.
    pub(crate) async fn call(&self, method: &str, body: &Value) -> Answer {
        self.watch.sent(body);
        self.raw(method, "application/json", body.to_string()).await
    }

    /// The same with a body that may be anything.
    pub(crate) async fn raw(&self, method: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        let sent = self.post(&path_of(method)).header(CONTENT_TYPE, kind).body(body).send().await;
        let answer = Answer::of(sent.expect("an answer")).await;
        self.watch.heard(method, &answer);
        answer.numbers_what_it_blames();
        answer
    }

    /// A server-streaming `Service/Method`, by Connect with JSON.
    pub(crate) async fn stream(&self, method: &str, body: &Value) -> EventStream {
        let body = crate::transport::envelope(0, body.to_string().as_bytes());
        let sent = self.post(&path_of(method)).header(CONTENT_TYPE, "application/connect+json").body(body);
        EventStream::new(sent.send().await.expect("an answer"), &self.watch)
    }

    /// What was answered to this caller and to everybody else of its server.
    pub(crate) fn transcript(&self) -> Vec<Heard> {
        self.watch.transcript()
    }

    /// By Connect with protobuf; the type of the request decides the method.
    pub(crate) async fn proto<R: Rpc + Message, A: Message + Default>(
        &self,
        request: &R,
    ) -> Result<A, Answer> {
        let sent = self.post(R::PATH).header(CONTENT_TYPE, "application/proto").body(request.encode_to_vec());
        let answer = Answer::of(sent.send().await.expect("an answer")).await;
        self.watch.heard(R::PATH, &answer);
        answer.numbers_what_it_blames();
        if answer.status.is_success() {
            Ok(A::decode(&*answer.body).expect("a message"))
        } else {
            Err(answer)
        }
    }
}
