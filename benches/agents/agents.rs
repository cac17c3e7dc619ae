//! Plays agents, for benches/agents/run, which starts it. `SEALINK_URL`, `SEALINK_TOKEN` and `RUNNER_TOKEN` say where and
//! as whom.
//!
//! `agents watch CONNECTIONS INTEGRATION CHANGES` opens 100 watches on each connection, says `watching BYTES` (of all
//! snapshots), waits for a line on stdin, and then changes the integration again and again: how long from the request
//! to the change until each watcher has decoded it.
//!
//! `agents answer RUNNER HOST CALLERS CALLS` answers live calls at once and makes them, from CALLERS callers: all
//! that passes is the server's time.
use std::{env, error::Error, io, process::ExitCode, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;
use reqwest::{Client, Response};
use sealink::pb::{
    gitpod::v1::{CheckAuthenticationForHostResponse, ParseContextUrlResponse},
    sealink::v1::{
        CheckAuthenticationForHostResult, HeartbeatRequest, ParseContextUrlResult, SendResponseRequest,
        WatchConfigurationRequest, WatchConfigurationResponse, WatchRequestsRequest, WatchRequestsResponse,
        send_response_request::Result as Answer, watch_configuration_response::Event,
        watch_requests_response::Call,
    },
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

type Failure = Box<dyn Error + Send + Sync>;

/// The server's limit of streams on one connection.
const PER_CONNECTION: usize = 100;
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two changes, so that each is told alone.
const PAUSE: Duration = Duration::from_millis(300);

/// One HTTP/2 connection as one of the two principals.
#[derive(Clone)]
struct Caller {
    http: Client,
    url: Arc<str>,
    token: Arc<str>,
}

impl Caller {
    fn new(token: &str) -> Result<Self, Failure> {
        let http = Client::builder().no_proxy().tls_certs_only([]).http2_prior_knowledge().build()?;
        Ok(Self { http, url: env::var("SEALINK_URL")?.into(), token: env::var(token)?.into() })
    }

    async fn post(&self, method: &str, content_type: &str, body: Bytes) -> Result<Response, Failure> {
        let request = self.http.post(format!("{}/{method}", self.url)).bearer_auth(&self.token);
        let answer = request.header("content-type", content_type).header("te", "trailers").body(body).send();
        let answer = answer.await?;
        let (status, message) = (answer.status(), answer.headers().get("grpc-message").cloned());
        if status.is_success() && !answer.headers().contains_key("grpc-status") {
            return Ok(answer);
        }
        Err(format!("{method}: {status} {message:?} {}", answer.text().await?).into())
    }

    /// A unary call in Connect's JSON.
    async fn json(&self, method: &str, body: Value) -> Result<Bytes, Failure> {
        Ok(self.post(method, "application/json", body.to_string().into()).await?.bytes().await?)
    }

    /// A unary call in Connect's protobuf.
    async fn unary(&self, method: &str, message: &impl Message) -> Result<(), Failure> {
        self.post(method, "application/proto", message.encode_to_vec().into()).await?.bytes().await?;
        Ok(())
    }

    async fn stream(&self, method: &str, message: &impl Message) -> Result<Stream, Failure> {
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len())?.to_be_bytes();
        let body = [&[0], &length[..], &message].concat();
        let answer = self.post(method, "application/grpc", body.into()).await?;
        Ok(Stream { answer, buffer: BytesMut::new() })
    }
}

/// The messages of a gRPC stream.
struct Stream {
    answer: Response,
    buffer: BytesMut,
}

impl Stream {
    async fn next(&mut self) -> Result<Bytes, Failure> {
        loop {
            if let Some(prefix) = self.buffer.first_chunk::<5>() {
                let [_, length @ ..] = *prefix;
                let length = usize::try_from(u32::from_be_bytes(length))?;
                if self.buffer.len() >= 5 + length {
                    self.buffer.advance(5);
                    return Ok(self.buffer.split_to(length).freeze());
                }
            }
            match self.answer.chunk().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Err("a stream ended".into()),
            }
        }
    }
}

/// The value below which `share` of the sorted samples lie, in milliseconds.
fn quantile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of thousands"
    )]
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[at - 1].as_secs_f64() * 1e3
}

fn tell(mut samples: Vec<Duration>) {
    samples.sort_unstable();
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| quantile(&samples, share));
    println!("RESULT {} {p50:.3} {p99:.3} {most:.3}", samples.len());
}

fn agent_id() -> String {
    sealink::clock::Clock::System.new_id().to_string()
}

/// A revision, and when it was known.
type Seen = (u64, Instant);

/// Watches until it fails; the sizes of the snapshots, then what it sees, go to `seen`.
async fn watch(caller: Caller, started: mpsc::Sender<Seen>, seen: mpsc::Sender<Seen>) -> Result<(), Failure> {
    let request = WatchConfigurationRequest { agent_id: agent_id(), ..Default::default() };
    let mut stream = caller.stream("sealink.v1.RunnerAgentService/WatchConfiguration", &request).await?;
    loop {
        let bytes = stream.next().await?;
        let message = WatchConfigurationResponse::decode(bytes.clone())?;
        match message.event {
            Some(Event::Snapshot(_)) => started.send((u64::try_from(bytes.len())?, Instant::now())).await?,
            Some(Event::KeepAlive(_)) => {}
            _ => seen.send((message.revision, Instant::now())).await?,
        }
    }
}

async fn watchers(arguments: &[String]) -> Result<(), Failure> {
    let [connections, integration, changes] = arguments else { return Err("watch takes three".into()) };
    let (connections, changes): (usize, u32) = (connections.parse()?, changes.parse()?);
    let watchers = connections * PER_CONNECTION;
    let (started, mut starts) = mpsc::channel(watchers);
    let (seen, mut sights) = mpsc::channel(watchers);
    for _ in 0..connections {
        let caller = Caller::new("RUNNER_TOKEN")?;
        for _ in 0..PER_CONNECTION {
            let watch = watch(caller.clone(), started.clone(), seen.clone());
            tokio::spawn(async {
                if let Err(error) = watch.await {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
            });
        }
    }
    let mut bytes = 0;
    for _ in 0..watchers {
        bytes += timeout(PATIENCE, starts.recv()).await?.ok_or("no watchers")?.0;
    }
    println!("watching {bytes}");
    tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;

    let admin = Caller::new("SEALINK_TOKEN")?;
    let mut samples = Vec::new();
    for change in 0..changes {
        let begun = Instant::now();
        let body = json!({ "id": integration, "pat": change % 2 == 1 });
        admin.json("gitpod.v1.RunnerConfigurationService/UpdateSCMIntegration", body).await?;
        let mut revision = None;
        for _ in 0..watchers {
            let (told, at) = timeout(PATIENCE, sights.recv()).await?.ok_or("no watchers")?;
            if *revision.get_or_insert(told) != told {
                return Err("watchers were told different changes".into());
            }
            samples.push(at - begun);
        }
        sleep(PAUSE).await;
    }
    tell(samples);
    Ok(())
}

/// Answers every call at once.
async fn answer(caller: Caller, id: String) -> Result<(), Failure> {
    let request = WatchRequestsRequest { agent_id: id.clone(), capacity: 256 };
    let mut stream = caller.stream("sealink.v1.RunnerAgentService/WatchRequests", &request).await?;
    loop {
        let call = WatchRequestsResponse::decode(stream.next().await?)?;
        let answer = match call.call {
            Some(Call::CheckAuthenticationForHost(_)) => {
                Answer::CheckAuthenticationForHost(CheckAuthenticationForHostResult {
                    response: Some(CheckAuthenticationForHostResponse::default()),
                })
            }
            Some(Call::ParseContextUrl(_)) => Answer::ParseContextUrl(ParseContextUrlResult {
                response: Some(ParseContextUrlResponse::default()),
            }),
            _ => continue,
        };
        let response = SendResponseRequest {
            agent_id: id.clone(),
            request_id: call.request_id,
            attempt: call.attempt,
            result: Some(answer),
        };
        let caller = caller.clone();
        tokio::spawn(
            async move { caller.unary("sealink.v1.RunnerAgentService/SendResponse", &response).await },
        );
    }
}

async fn calls(arguments: &[String]) -> Result<(), Failure> {
    let [runner, host, callers, calls] = arguments else { return Err("answer takes four".into()) };
    let (callers, calls): (usize, usize) = (callers.parse()?, calls.parse()?);
    let (agent, id) = (Caller::new("RUNNER_TOKEN")?, agent_id());
    tokio::spawn(answer(agent.clone(), id.clone()));
    agent.unary("sealink.v1.RunnerAgentService/Heartbeat", &HeartbeatRequest { agent_id: id }).await?;
    let admin = Caller::new("SEALINK_TOKEN")?;
    let asked = [
        ("gitpod.v1.RunnerService/CheckAuthenticationForHost", json!({ "runnerId": runner, "host": host })),
        (
            "gitpod.v1.RunnerService/ParseContextURL",
            json!({ "runnerId": runner, "contextUrl": format!("https://{host}/octo/hello") }),
        ),
    ];
    // The runner lives as soon as the stream is open.
    let begun = Instant::now();
    while let Err(error) = admin.json(asked[0].0, asked[0].1.clone()).await {
        if begun.elapsed() > PATIENCE {
            return Err(error);
        }
        sleep(Duration::from_millis(50)).await;
    }
    for (method, body) in asked {
        let mut working = Vec::new();
        for _ in 0..callers {
            let (admin, body) = (admin.clone(), body.clone());
            working.push(tokio::spawn(async move {
                let mut samples = Vec::new();
                for _ in 0..calls / callers {
                    let begun = Instant::now();
                    admin.json(method, body.clone()).await?;
                    samples.push(begun.elapsed());
                }
                Ok::<_, Failure>(samples)
            }));
        }
        let mut samples = Vec::new();
        for worker in working {
            samples.extend(worker.await??);
        }
        tell(samples);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((mode, rest)) if mode == "watch" => watchers(rest).await?,
        Some((mode, rest)) if mode == "answer" => calls(rest).await?,
        _ => eprintln!("agents watch|answer ..: a part of benches/agents/run"),
    }
    Ok(ExitCode::SUCCESS)
}
