//! The floor under any answer: plain axum with serde, and plain tonic, that list the same integrations from
//! memory, without authentication, database, limits or any other protocol.
//!
//! `bare LIST CONFIGURATION ACCOUNTS` reads an answer of `ListSCMIntegrations`, one of `GetConfiguration` and a member's
//! accounts in JSON, serves the first on two free ports of loopback, the second on the latter, the third on the former,
//! and prints both addresses.
use std::{env, fs, marker::PhantomData, process::ExitCode, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use prost::Message;
use sealink::pb::{
    gitpod::v1::{ListScmIntegrationsRequest, ListScmIntegrationsResponse},
    sealink::v1::{GetConfigurationRequest, GetConfigurationResponse},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic_prost::ProstCodec;

const LIST: &str = "/gitpod.v1.RunnerConfigurationService/ListSCMIntegrations";
const CONFIGURATION: &str = "/sealink.v1.RunnerAgentService/GetConfiguration";

const ACCOUNTS: &str = "/v1/scm_integrations";

type Failure = Box<dyn std::error::Error>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    filter: Filter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    runner_ids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    pagination: Pagination,
    integrations: Vec<Integration>,
}

#[derive(Serialize, Deserialize)]
struct Pagination {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    id: String,
    runner_id: String,
    scm_id: String,
    host: String,
    oauth: OAuth,
    pat: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OAuth {
    client_id: String,
    encrypted_client_secret: String,
}

#[derive(Serialize, Deserialize)]
struct Accounts {
    scm_integrations: Vec<Account>,
}

#[derive(Serialize, Deserialize)]
struct Account {
    id: String,
    scm_type: String,
    url: String,
    created_at: String,
    uid: String,
    username: String,
    email: Option<String>,
    avatar_url: Option<String>,
    profile_url: String,
    owner: Owner,
}

#[derive(Serialize, Deserialize)]
struct Owner {
    id: String,
    email: String,
    username: String,
}

async fn accounts(State(answer): State<Arc<Accounts>>) -> impl IntoResponse {
    let json = serde_json::to_vec(&*answer).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], json)
}

async fn json(State(answer): State<Arc<Answer>>, body: Bytes) -> impl IntoResponse {
    match serde_json::from_slice::<Request>(&body) {
        Ok(request) if request.filter.runner_ids.len() == 1 => {
            let json = serde_json::to_vec(&*answer).unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], json).into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// One unary method, as tonic's generated servers call it.
struct Fixed<Q, A>(Arc<A>, PhantomData<fn(Q)>);

impl<Q, A> Fixed<Q, A> {
    fn new(answer: A) -> Self {
        Self(Arc::new(answer), PhantomData)
    }
}

impl<Q, A> Clone for Fixed<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<Q, A: Clone> tonic::server::UnaryService<Q> for Fixed<Q, A> {
    type Response = A;
    type Future = std::future::Ready<Result<tonic::Response<A>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<Q>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(A::clone(&self.0))))
    }
}

async fn grpc<Q, A>(State(fixed): State<Fixed<Q, A>>, request: axum::extract::Request) -> impl IntoResponse
where
    Q: Message + Default + 'static,
    A: Message + Clone + 'static,
{
    tonic::server::Grpc::new(ProstCodec::<A, Q>::default()).unary(fixed, request).await
}

async fn accept(listener: TcpListener, router: Router) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            drop(http.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn serve([list, configuration, listed]: [&str; 3]) -> Result<(), Failure> {
    let listed = Arc::new(serde_json::from_str::<Accounts>(listed)?);
    let answer = Arc::new(serde_json::from_str::<Answer>(list)?);
    let list =
        Fixed::<ListScmIntegrationsRequest, ListScmIntegrationsResponse>::new(serde_json::from_str(list)?);
    let configuration =
        Fixed::<GetConfigurationRequest, GetConfigurationResponse>::new(serde_json::from_str(configuration)?);
    let bind = async || TcpListener::bind("127.0.0.1:0").await;
    let (first, second) = (bind().await?, bind().await?);
    println!("{} {}", first.local_addr()?, second.local_addr()?);
    let rest = Router::new().route(ACCOUNTS, get(accounts)).with_state(listed);
    let plain = Router::new().route(LIST, post(json)).with_state(answer).merge(rest);
    let lists = Router::new().route(LIST, post(grpc)).with_state(list);
    let tonic = Router::new().route(CONFIGURATION, post(grpc)).with_state(configuration).merge(lists);
    tokio::try_join!(accept(first, plain), accept(second, tonic))?;
    Ok(())
}

fn main() -> Result<ExitCode, Failure> {
    let files: Vec<_> = env::args().skip(1).collect();
    let [list, configuration, accounts] = &files[..] else {
        eprintln!("bare LIST CONFIGURATION ACCOUNTS: a part of benches/load/run");
        return Ok(ExitCode::SUCCESS);
    };
    let (list, configuration) = (fs::read_to_string(list)?, fs::read_to_string(configuration)?);
    let accounts = fs::read_to_string(accounts)?;
    // One core, as for the server that is measured.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve([
        &list,
        &configuration,
        &accounts,
    ]))?;
    Ok(ExitCode::SUCCESS)
}
