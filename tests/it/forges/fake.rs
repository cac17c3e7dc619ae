//! A forge at the wire: the answers of three APIs over one small world, and everything that can go wrong.
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use sealink::{domain::scm::Scm, scm::http::Limits};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    Subject,
    lists::{self, NEXT_TOKEN, OTHER_TOKEN},
    open, secret,
};

/// The token of `octo`.
pub(crate) const TOKEN: &str = "sealink-canary-token";
/// The only OAuth app.
pub(crate) const CLIENT_ID: &str = "the-client";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "sealink-canary-client-secret";

const MAIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const FEATURE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Whose API it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    GitHub,
    GitLab,
    Gitea,
}

/// What goes wrong with every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Unauthorized,
    Forbidden,
    RateLimit403,
    NotFound,
    TooMany,
    Internal,
    /// As a proxy answers for a forge that is down.
    Away,
    Html,
    /// Never answers.
    Slow,
    /// Says its whole length, far too much.
    Oversized,
    /// Says no length, and goes on.
    Endless,
    BadJson,
    /// Valid JSON of another shape.
    OtherJson,
    RedirectElsewhere,
    RedirectToMetadata,
    RedirectForEver,
    /// Once, to the same path without the query, as for a renamed repository.
    RedirectInside,
    /// Closes the connection in the middle.
    Truncated,
    /// Nothing goes wrong, but the person is called otherwise now.
    Renamed,
    /// Nothing goes wrong, but the token is said to be another person's.
    Replaced,
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
        let world = Arc::new(Mutex::new(World { kind, fault: Fault::None, heard: Vec::new() }));
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
        self.world.lock().unwrap_or_else(PoisonError::into_inner).fault = fault;
    }

    /// What arrived so far.
    pub(crate) fn requests(&self) -> Vec<Heard> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }

    pub(super) fn subject(&self, scm: Scm) -> Subject {
        Subject { forge: open(scm, &self.origin, Limits::default()), token: secret(TOKEN) }
    }
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
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.heard.push(heard.clone());
        (world.kind, world.fault, world.heard.len())
    };
    Ok(match broken(fault, &heard, count).await {
        Some(broken) => broken,
        None if parts.method == Method::POST => token_endpoint(kind, &heard),
        None => api(kind, &heard),
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

async fn broken(fault: Fault, heard: &Heard, count: usize) -> Option<Response<Body>> {
    let canary = json!({ "message": "canary-from-the-forge" });
    let redirect = |to: &str| {
        let mut reply = json_reply(301, &canary);
        reply.headers_mut().insert("location", to.parse().expect("a header"));
        reply
    };
    let with = |mut reply: Response<Body>, name: &'static str, value: &'static str| {
        reply.headers_mut().insert(name, value.parse().expect("a header"));
        reply
    };
    Some(match fault {
        Fault::Unauthorized => json_reply(401, &canary),
        Fault::Forbidden => json_reply(403, &canary),
        Fault::RateLimit403 => with(json_reply(403, &canary), "x-ratelimit-remaining", "0"),
        Fault::NotFound => json_reply(404, &canary),
        Fault::TooMany => with(json_reply(429, &canary), "retry-after", "17"),
        Fault::Internal => json_reply(500, &canary),
        Fault::Away => json_reply(503, &canary),
        Fault::Html => reply(200, "text/html", "<html>canary-from-the-forge</html>"),
        Fault::Slow => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            return None;
        }
        Fault::Oversized => reply(200, "application/json", vec![b' '; (5 << 20) + 1]),
        Fault::Endless => {
            let chunk = || Ok(http_body::Frame::data(Bytes::from(vec![b' '; 64 << 10])));
            let body = http_body_util::StreamBody::new(futures_util::stream::repeat_with(chunk));
            Response::new(BodyExt::boxed(body))
        }
        Fault::BadJson => reply(200, "application/json", r#"{"login": "canary-from-the-forge", "#),
        Fault::OtherJson => json_reply(200, &json!({ "login": ["canary-from-the-forge"] })),
        // Another host by name, though it is the same machine.
        Fault::RedirectElsewhere => redirect(&format!("http://localhost:1{}", heard.target)),
        Fault::RedirectToMetadata => redirect("http://169.254.169.254/latest/meta-data/"),
        Fault::RedirectForEver => redirect(&heard.target),
        Fault::Renamed if heard.target.ends_with("/user") => json_reply(200, &lists::renamed(1)),
        Fault::Replaced if heard.target.ends_with("/user") => json_reply(200, &lists::renamed(2)),
        Fault::RedirectInside if count == 1 => redirect(&heard.target),
        Fault::None | Fault::RedirectInside | Fault::Renamed | Fault::Replaced => return None,
        Fault::Truncated => {
            let frames =
                [Ok(http_body::Frame::data(Bytes::from_static(b"{"))), Err(std::io::Error::other("cut"))];
            Response::new(BodyExt::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames))))
        }
    })
}

/// As the token endpoints of the forges answer, error for error.
fn token_endpoint(kind: Kind, heard: &Heard) -> Response<Body> {
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(heard.body.as_bytes()).into_owned().collect();
    let get =
        |name: &str| form.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str());
    let refuse = |status: u16, error: &str, description: &str| {
        // GitHub says everything with 200.
        let status = if kind == Kind::GitHub { 200 } else { status };
        json_reply(status, &json!({ "error": error, "error_description": description }))
    };
    if get("client_id") != CLIENT_ID {
        return match kind {
            Kind::GitHub => json_reply(404, &json!({ "error": "Not Found" })),
            Kind::GitLab => refuse(401, "invalid_client", "Client authentication failed"),
            Kind::Gitea => refuse(400, "invalid_client", "cannot load client with client id"),
        };
    }
    if get("client_secret") != CLIENT_SECRET {
        return match kind {
            Kind::GitHub => refuse(200, "incorrect_client_credentials", "are incorrect"),
            Kind::GitLab => refuse(401, "invalid_client", "Client authentication failed"),
            Kind::Gitea => refuse(400, "unauthorized_client", "invalid client secret"),
        };
    }
    let good = match get("grant_type") {
        "authorization_code" => get("code") == "good-code" && get("code_verifier").len() == 43,
        "refresh_token" => get("refresh_token") == "sealink-canary-refresh",
        _ => false,
    };
    if !good {
        return match kind {
            Kind::GitHub => refuse(200, "bad_verification_code", "incorrect or expired"),
            Kind::GitLab => refuse(400, "invalid_grant", "The provided authorization grant is invalid"),
            Kind::Gitea => refuse(400, "unauthorized_client", "client is not authorized"),
        };
    }
    let mut grant = json!({ "access_token": TOKEN, "token_type": "bearer", "scope": "repo,read:user" });
    if kind != Kind::GitHub {
        grant["refresh_token"] = json!("sealink-canary-refresh-2");
        grant["expires_in"] = json!(7_200);
        grant["scope"] = json!("api read_user");
    }
    json_reply(200, &grant)
}

fn api(kind: Kind, heard: &Heard) -> Response<Body> {
    let (path, query) = heard.target.split_once('?').unwrap_or((&heard.target, ""));
    let base = match kind {
        Kind::GitHub => "/api/v3/",
        Kind::GitLab => "/api/v4/",
        Kind::Gitea => "/api/v1/",
    };
    let Some(path) = path.strip_prefix(base) else { return reply(404, "text/html", "<html>") };
    if matches!(path, "meta" | "version") {
        let status = if kind == Kind::GitLab { 401 } else { 200 };
        return json_reply(status, &json!({ "version": "development" }));
    }
    let who = format!("{}{}", heard.header("authorization"), heard.header("private-token"));
    let token = who.trim_start_matches("Bearer ").trim_start_matches("token ");
    if ![TOKEN, NEXT_TOKEN, OTHER_TOKEN].contains(&token) {
        return json_reply(401, &json!({ "message": "Bad credentials" }));
    }
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if let Some((page, more)) = lists::many(path, &query) {
        let mut reply = json_reply(200, &page);
        if more && kind == Kind::GitLab {
            reply.headers_mut().insert("x-next-page", "2".parse().expect("a header"));
        } else if more {
            let link = "<https://evil.example/?page=2>; rel=\"next\"";
            reply.headers_mut().insert("link", link.parse().expect("a header"));
        }
        return reply;
    }
    let found = lists::list(kind, path, &query, token).or_else(|| match kind {
        Kind::GitHub => github(path, &query),
        Kind::GitLab => gitlab(path, &query),
        Kind::Gitea => gitea(path, &query),
    });
    found.map_or_else(|| json_reply(404, &json!({ "message": "Not Found" })), |body| json_reply(200, &body))
}

pub(super) type Query = [(String, String)];

pub(super) fn param<'a>(query: &'a Query, name: &str) -> &'a str {
    query.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

/// The repositories that hold `text` in their names; a page further on is empty.
fn search(query: &Query, text: &str) -> Vec<&'static str> {
    let text = text.split('"').nth(1).unwrap_or(text);
    let names = ["octo/hello", "octo/empty", "fan/hello"];
    names.into_iter().filter(|name| name.contains(text) && matches!(param(query, "page"), "" | "1")).collect()
}

/// A repository as GitHub and Gitea show it.
fn name(full: &str) -> Value {
    let name = full.rsplit('/').next().unwrap_or_default();
    json!({
        "id": 7, "name": name, "full_name": full, "html_url": format!("https://forge.example/{full}"),
        "description": "", "fork": full.starts_with("fan/"),
    })
}

/// The same as GitLab does.
pub(super) fn project(full: &str) -> Value {
    let path = full.rsplit('/').next().unwrap_or_default();
    let mut project = json!({
        "id": 7, "path": path, "path_with_namespace": full, "web_url": format!("https://forge.example/{full}"),
        "description": null, "default_branch": "main",
    });
    if full.starts_with("fan/") {
        project["forked_from_project"] = json!({ "id": 7, "path_with_namespace": "octo/hello" });
    }
    project
}

fn organizations(query: &Query, member: &str) -> Value {
    match param(query, "page") {
        "1" => {
            json!([{ "id": 1, member: "octo-org", "description": null, "avatar_url": "https://evil.example/x" }])
        }
        _ => json!([]),
    }
}

fn github(path: &str, query: &Query) -> Option<Value> {
    let side = |branch: &str, sha: &str, repo: Value| json!({ "label": "x", "ref": branch, "sha": sha, "repo": repo });
    let pull = |number: u64, state: &str, merged: Value, repo: Value| {
        json!({
            "id": 10, "number": number, "title": "A change", "state": state, "draft": false, "merged_at": merged,
            "user": { "login": "octo" }, "head": side("feature/x", FEATURE, repo),
            "base": side("main", MAIN, name("octo/hello")),
        })
    };
    Some(match path {
        "repos/octo/hello" => {
            json!({ "full_name": "octo/hello", "default_branch": "main", "permissions": { "admin": true } })
        }
        "repos/octo/empty" => json!({ "full_name": "octo/empty", "default_branch": "main" }),
        "repos/fan/hello" => {
            json!({ "full_name": "fan/hello", "default_branch": "main", "parent": name("octo/hello") })
        }
        "repos/octo/hello/branches/main" => json!({ "name": "main", "commit": { "sha": MAIN } }),
        "repos/octo/hello/branches/feature%2Fx" => {
            json!({ "name": "feature/x", "commit": { "sha": FEATURE } })
        }
        "repos/octo/hello/git/ref/tags/v1" => {
            json!({ "ref": "refs/tags/v1", "object": { "sha": MAIN, "type": "commit" } })
        }
        path if path == format!("repos/octo/hello/commits/{FEATURE}") => json!({ "sha": FEATURE }),
        "repos/octo/hello/issues/1" => json!({ "number": 1, "title": "A bug" }),
        "repos/octo/hello/pulls/2" => pull(2, "open", json!(null), name("octo/hello")),
        "repos/octo/hello/pulls/3" => pull(3, "closed", json!("2026-01-01T00:00:00Z"), name("fan/hello")),
        "repos/octo/hello/pulls/4" => pull(4, "closed", json!(null), json!(null)),
        "search/repositories" | "user/repos" => {
            let items: Vec<_> = search(query, param(query, "q")).into_iter().map(name).collect();
            if path == "user/repos" {
                json!(items)
            } else {
                json!({ "total_count": items.len(), "items": items })
            }
        }
        "user/orgs" => organizations(query, "login"),
        _ => return None,
    })
}

fn gitlab(path: &str, query: &Query) -> Option<Value> {
    let request = |number: u64, state: &str, source: Value| {
        json!({
            "id": 10, "iid": number, "title": "A change", "state": state, "draft": false, "author": { "username": "octo" },
            "sha": FEATURE, "source_branch": "feature/x", "target_branch": "main", "source_project_id": source,
            "target_project_id": 7,
        })
    };
    Some(match path {
        "projects/octo%2Fhello" => project("octo/hello"),
        "projects/octo%2Fempty" => json!({ "path_with_namespace": "octo/empty", "default_branch": null }),
        "projects/fan%2Fhello" => {
            json!({
                "id": 8, "path": "hello", "path_with_namespace": "fan/hello", "web_url": "https://forge.example/fan/hello",
                "forked_from_project": project("octo/hello"),
            })
        }
        "projects/8" => project("fan/hello"),
        "projects/octo%2Fhello/repository/branches/main" => json!({ "commit": { "id": MAIN } }),
        "projects/octo%2Fhello/repository/branches/feature%2Fx" => json!({ "commit": { "id": FEATURE } }),
        "projects/octo%2Fhello/repository/tags/v1" => json!({ "name": "v1", "commit": { "id": MAIN } }),
        path if path == format!("projects/octo%2Fhello/repository/commits/{FEATURE}") => {
            json!({ "id": FEATURE })
        }
        "projects/octo%2Fhello/issues/1" => json!({ "id": 99, "iid": 1, "title": "A bug" }),
        "projects/octo%2Fhello/merge_requests/2" => request(2, "opened", json!(7)),
        "projects/octo%2Fhello/merge_requests/3" => request(3, "merged", json!(8)),
        "projects/octo%2Fhello/merge_requests/4" => request(4, "closed", json!(null)),
        "projects" => {
            json!(search(query, param(query, "search")).into_iter().map(project).collect::<Vec<_>>())
        }
        "groups" => organizations(query, "full_path"),
        _ => return None,
    })
}

fn gitea(path: &str, query: &Query) -> Option<Value> {
    let pull = |number: u64, state: &str, merged: bool, repo: Value| {
        json!({
            "number": number, "title": "A change", "state": state, "merged": merged, "user": { "login": "octo" },
            "head": { "ref": "feature/x", "sha": FEATURE, "repo": repo },
            "base": { "ref": "main", "sha": MAIN, "repo": name("octo/hello") },
        })
    };
    let repository = |name: &str, empty: bool| json!({ "full_name": name, "empty": empty, "default_branch": "main", "parent": null });
    Some(match path {
        "repos/octo/hello" => repository("octo/hello", false),
        "repos/octo/empty" => repository("octo/empty", true),
        "repos/fan/hello" => {
            json!({ "full_name": "fan/hello", "default_branch": "main", "parent": name("octo/hello") })
        }
        "repos/octo/hello/branches/main" => json!({ "commit": { "id": MAIN } }),
        "repos/octo/hello/branches/feature%2Fx" => json!({ "commit": { "id": FEATURE } }),
        "repos/octo/hello/tags/v1" => json!({ "name": "v1", "id": MAIN, "commit": { "sha": MAIN } }),
        path if path == format!("repos/octo/hello/git/commits/{FEATURE}") => json!({ "sha": FEATURE }),
        "repos/octo/hello/issues/1" => json!({ "number": 1, "title": "A bug" }),
        "repos/octo/hello/pulls/2" => pull(2, "open", false, name("octo/hello")),
        "repos/octo/hello/pulls/3" => pull(3, "closed", true, name("fan/hello")),
        "repos/octo/hello/pulls/4" => pull(4, "closed", false, json!(null)),
        "repos/search" => {
            let data: Vec<_> = search(query, param(query, "q")).into_iter().map(name).collect();
            json!({ "ok": true, "data": data })
        }
        "user/orgs" => organizations(query, "username"),
        _ => return None,
    })
}
