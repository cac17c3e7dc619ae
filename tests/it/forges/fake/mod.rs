//! A forge at the wire: the answers of four forges over one small world, and everything that can go wrong.
//!
//! ```text
//! scene, search: what there is ── github ── examples: GitHub's published payloads
//!                              ├─ gitlab ── examples: the shape of GitLab's documentation
//!                              └─ gitea ─── definitions: Gitea's and Forgejo's, which every answer is held against
//! ```
mod definitions;
mod examples;
mod faults;
mod gitea;
mod github;
mod gitlab;
mod scene;
mod search;
mod token_endpoint;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use sealink::{domain::scm::Scm, scm::http::Limits};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Subject, open, secret};

pub(crate) use self::{
    definitions::GITEA,
    faults::Fault,
    scene::{NEXT_TOKEN, OTHER_TOKEN, TOKEN},
    token_endpoint::{CLIENT_ID, CLIENT_SECRET},
};

/// Whose API it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    GitHub,
    GitLab,
    Gitea,
    Forgejo,
}

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

#[derive(Debug)]
struct World {
    kind: Kind,
    fault: Fault,
    heard: Vec<Heard>,
    /// What it answered that its forge does not answer.
    wrong: Vec<String>,
}

/// The forge; it ends with its runtime.
pub(crate) struct FakeForge {
    pub(crate) origin: String,
    world: Arc<Mutex<World>>,
}

impl FakeForge {
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::serve(kind, TcpListener::bind("127.0.0.1:0").await.expect("a port"), true)
    }

    /// The forge at this listener, and whether it keeps connections for the next question.
    pub(crate) fn serve(kind: Kind, listener: TcpListener, keep_alive: bool) -> Self {
        let origin = format!("http://{}", listener.local_addr().expect("its address"));
        let world =
            Arc::new(Mutex::new(World { kind, fault: Fault::None, heard: Vec::new(), wrong: Vec::new() }));
        let shared = Arc::clone(&world);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&world), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .keep_alive(keep_alive)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { origin, world }
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        self.origin.trim_start_matches("http://").to_owned()
    }

    pub(crate) fn break_with(&self, fault: Fault) {
        lock(&self.world).fault = fault;
    }

    /// What arrived so far.
    pub(crate) fn requests(&self) -> Vec<Heard> {
        lock(&self.world).heard.clone()
    }

    pub(super) fn subject(&self, scm: Scm) -> Subject {
        Subject { forge: open(scm, &self.origin, Limits::default()), token: secret(TOKEN) }
    }
}

/// A fake that says what its forge does not say proves nothing.
impl Drop for FakeForge {
    fn drop(&mut self) {
        let wrong = std::mem::take(&mut lock(&self.world).wrong);
        assert!(wrong.is_empty() || std::thread::panicking(), "the forge does not answer so: {wrong:?}");
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

type Body = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed()
}

async fn answer(world: Arc<Mutex<World>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let heard = Heard {
        target: parts.uri.path_and_query().expect("a path").to_string(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let (kind, fault, count) = {
        let mut world = lock(&world);
        world.heard.push(heard.clone());
        (world.kind, world.fault, world.heard.len())
    };
    Ok(match faults::broken(fault, &heard, count).await {
        Some(broken) => broken,
        None if parts.method == Method::POST => token_endpoint::answer(kind, &heard),
        None => api(&world, kind, fault, &heard),
    })
}

fn reply(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Body> {
    let mut reply = Response::new(full(body));
    *reply.status_mut() = StatusCode::from_u16(status).expect("a status");
    reply.headers_mut().insert("content-type", kind.parse().expect("a header"));
    reply
}

fn json_reply(status: u16, body: &Value) -> Response<Body> {
    reply(status, "application/json; charset=utf-8", body.to_string())
}

fn api(world: &Mutex<World>, kind: Kind, fault: Fault, heard: &Heard) -> Response<Body> {
    let (path, query) = heard.target.split_once('?').unwrap_or((&heard.target, ""));
    let base = match kind {
        Kind::GitHub => "/api/v3/",
        Kind::GitLab => "/api/v4/",
        Kind::Gitea | Kind::Forgejo => "/api/v1/",
    };
    let Some(path) = path.strip_prefix(base) else { return reply(404, "text/html", "<html>") };
    let who = format!("{}{}", heard.header("authorization"), heard.header("private-token"));
    let token = who.trim_start_matches("Bearer ").trim_start_matches("token ");
    let open_to_all = kind != Kind::GitLab && matches!(path, "meta" | "version");
    if !open_to_all && ![TOKEN, NEXT_TOKEN, OTHER_TOKEN].contains(&token) {
        return json_reply(401, &json!({ "message": "Bad credentials" }));
    }
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (found, more) = match scene::many(path, &query) {
        Some((names, more)) => (Some(names.iter().map(|name| branch(kind, name)).collect()), more),
        None => match search::search(kind, path, &query) {
            Some(search::Found::Page(names, more)) => (Some(repositories(kind, path, &names)), more),
            Some(search::Found::Unprocessable) => {
                return json_reply(422, &json!({ "message": "Validation Failed" }));
            }
            None => (known(kind, path, &query, &scene::person(token, fault)), false),
        },
    };
    let Some(found) = found else { return json_reply(404, &json!({ "message": "Not Found" })) };
    if matches!(kind, Kind::Gitea | Kind::Forgejo) {
        lock(world).wrong.extend(gitea::definitions(kind).wrong(path, &found));
    }
    let more = more || (kind == Kind::GitLab && gitlab::says_more(path, &query));
    let mut reply = json_reply(200, &found);
    if more && kind == Kind::GitLab {
        reply.headers_mut().insert("x-next-page", "2".parse().expect("a header"));
    } else if more {
        let link = "<https://evil.example/?page=2>; rel=\"next\"";
        reply.headers_mut().insert("link", link.parse().expect("a header"));
    }
    reply
}

fn known(kind: Kind, path: &str, query: &scene::Query, who: &scene::Person) -> Option<Value> {
    match kind {
        Kind::GitHub => github::answer(path, query, who),
        Kind::GitLab => gitlab::answer(path, query, who),
        Kind::Gitea | Kind::Forgejo => gitea::answer(kind, path, query, who),
    }
}

fn repositories(kind: Kind, path: &str, names: &[String]) -> Value {
    match kind {
        Kind::GitHub => github::repositories(path, names),
        Kind::GitLab => names.iter().map(|full| gitlab::project(full)).collect(),
        Kind::Gitea | Kind::Forgejo => gitea::repositories(kind, names),
    }
}

fn branch(kind: Kind, name: &str) -> Value {
    match kind {
        Kind::GitHub => github::listed_branch(name, scene::MAIN),
        Kind::GitLab => gitlab::branch(name, scene::MAIN),
        Kind::Gitea | Kind::Forgejo => gitea::branch(kind, name, scene::MAIN),
    }
}
