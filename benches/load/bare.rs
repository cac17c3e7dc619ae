//! The floor under any answer: plain axum with serde, and plain tonic, that list the same integrations from
//! memory, without authentication, database, limits or any other protocol.
//!
//! `bare FILE` reads a List answer in JSON, serves it on two free ports of loopback and prints both addresses.
use std::{env, fs, process::ExitCode, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use sealink::pb::gitpod::v1::{ListScmIntegrationsRequest, ListScmIntegrationsResponse};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic_prost::ProstCodec;

const PATH: &str = "/gitpod.v1.RunnerConfigurationService/ListSCMIntegrations";

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
#[derive(Clone)]
struct List(Arc<ListScmIntegrationsResponse>);

impl tonic::server::UnaryService<ListScmIntegrationsRequest> for List {
    type Response = ListScmIntegrationsResponse;
    type Future = std::future::Ready<Result<tonic::Response<Self::Response>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<ListScmIntegrationsRequest>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(ListScmIntegrationsResponse::clone(&self.0))))
    }
}

async fn grpc(State(list): State<List>, request: axum::extract::Request) -> impl IntoResponse {
    let codec = ProstCodec::<ListScmIntegrationsResponse, ListScmIntegrationsRequest>::default();
    tonic::server::Grpc::new(codec).unary(list, request).await
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

async fn serve(text: &str) -> Result<(), Failure> {
    let answer = Arc::new(serde_json::from_str::<Answer>(text)?);
    let list = List(Arc::new(serde_json::from_str(text)?));
    let bind = async || TcpListener::bind("127.0.0.1:0").await;
    let (first, second) = (bind().await?, bind().await?);
    println!("{} {}", first.local_addr()?, second.local_addr()?);
    let plain = Router::new().route(PATH, post(json)).with_state(answer);
    let tonic = Router::new().route(PATH, post(grpc)).with_state(list);
    tokio::try_join!(accept(first, plain), accept(second, tonic))?;
    Ok(())
}

fn main() -> Result<ExitCode, Failure> {
    let Some(file) = env::args().nth(1).filter(|argument| !argument.starts_with("--")) else {
        eprintln!("bare FILE: a part of benches/load/run");
        return Ok(ExitCode::SUCCESS);
    };
    let text = fs::read_to_string(file)?;
    // One core, as for the server that is measured.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(&text))?;
    Ok(ExitCode::SUCCESS)
}
