//! A Gitea that costs nothing, for benches/accounts/run, which starts it: whole answers from memory.
//!
//! `forge COUNT MS` serves the same forge on COUNT free ports of loopback and prints their origins, separated by commas.
//! The last of them takes MS milliseconds for every answer, as a forge in the network does.
use std::{convert::Infallible, env, process::ExitCode, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What it answers below `/api/v1/`, as bytes.
struct Answers(Vec<(&'static str, Bytes)>);

impl Answers {
    fn new() -> Self {
        let page = "https://forge.example/octo";
        let user = json!({
            "id": 1, "login": "octo", "email": "octo@forge.example", "avatar_url": format!("{page}.png"), "html_url": page,
        });
        let repository = json!({
            "id": 7, "name": "hello", "full_name": "octo/hello", "html_url": format!("{page}/hello"), "description": "",
            "fork": false,
        });
        let branch =
            |number: u32| json!({ "name": format!("feature-{number}"), "commit": { "id": "a".repeat(40) } });
        let pull = |number: u32| {
            json!({
                "id": 100 + number, "number": number, "title": "A change", "html_url": format!("{page}/hello/pulls/{number}"),
                "state": "open", "head": { "repo": repository }, "base": { "repo": repository },
            })
        };
        let organizations =
            json!([{ "id": 3, "username": "octo-org", "avatar_url": "", "description": "Shops" }]);
        let all = [
            ("user", user),
            ("user/orgs", organizations),
            ("repos/search", json!({ "ok": true, "data": vec![&repository; 20] })),
            ("repos/octo/hello/branches", (1..=20).map(branch).collect::<Value>()),
            ("repos/octo/hello/pulls", (1..=20).map(pull).collect::<Value>()),
        ];
        Self(all.into_iter().map(|(path, body)| (path, body.to_string().into())).collect())
    }

    fn to(&self, path: &str) -> Response<Full<Bytes>> {
        let path = path.strip_prefix("/api/v1/").unwrap_or_default();
        let found = self.0.iter().find(|(known, _)| *known == path);
        let (status, body) = found.map_or((404, Bytes::from_static(b"{}")), |(_, body)| (200, body.clone()));
        let reply = Response::builder().status(status).header("content-type", "application/json");
        reply.body(Full::new(body)).unwrap_or_default()
    }
}

async fn serve(listener: TcpListener, answers: &'static Answers, delay: Duration) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request: Request<Incoming>| async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok::<_, Infallible>(answers.to(request.uri().path()))
        });
        tokio::spawn(async move {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [count, delay] = &arguments[..] else {
        eprintln!("forge COUNT MS: a part of benches/accounts/run");
        return Ok(ExitCode::SUCCESS);
    };
    let (count, delay): (usize, u64) = (count.parse()?, delay.parse()?);
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    let (mut origins, mut serving) = (Vec::new(), tokio::task::JoinSet::new());
    for number in 1..=count {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        origins.push(format!("http://{}", listener.local_addr()?));
        let delay = Duration::from_millis(if number == count { delay } else { 0 });
        serving.spawn(serve(listener, answers, delay));
    }
    println!("{}", origins.join(","));
    while let Some(ended) = serving.join_next().await {
        ended??;
    }
    Ok(ExitCode::SUCCESS)
}
