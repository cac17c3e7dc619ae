//! The server: real health and reflection, and methods that say what they were asked.
use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::body::Body;
use http::{Request, Response, header};
use prost::Message;
use sealink::{
    api::{
        health::{Health, Readiness},
        layers::layers,
        reflection,
    },
    listener::{Limits, serve},
    pb::{
        self,
        gitpod::v1::{
            CreateHostAuthenticationTokenRequest, CreateScmIntegrationRequest, CreateScmIntegrationResponse,
            ListScmIntegrationsRequest, ValidateRunnerConfigurationRequest,
        },
        sealink::v1::BeginKeyRegistrationRequest,
    },
    rpc::{Bridge, Config, Methods, Query, codec::Codec},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, sync::oneshot};
use tonic::{Status, server::Grpc, service::Routes};
use tower::ServiceExt;
use tower_http::cors::CorsLayer;

type GrpcResponse = Response<tonic::body::Body>;

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) cors: Option<CorsLayer>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    stop: Option<oneshot::Sender<()>>,
    done: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// Begins the shutdown and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.health.set(Readiness::Stopping);
        drop(self.stop.take());
        self.done.take().expect("running").await.expect("no panic").expect("no error");
    }
}

pub(crate) async fn start(options: Options) -> Server {
    let health = Health::new(["gitpod.v1.RunnerConfigurationService"]);
    health.set(Readiness::Ready);
    let methods = Methods::default().with(pb::DESCRIPTORS, true).expect("descriptors");
    let routes = Routes::new(health.grpc());
    let (routes, methods) = reflection::add(routes, methods, pb::DESCRIPTORS).expect("reflection");
    let routes = routes.prepare();
    let inner = tower::service_fn(move |request| answer(routes.clone(), request));
    let app = health.http().fallback_service(Bridge::new(inner, methods, options.config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let (stop, stopped) = oneshot::channel::<()>();
    let app = layers(app, options.cors);
    let done = tokio::spawn(serve(listener, app, options.limits, async move {
        let _ = stopped.await;
    }));
    Server { address, health, stop: Some(stop), done: Some(done) }
}

/// Authentication, as small as it can be, and then the methods.
async fn answer(routes: Routes, request: Request<Body>) -> Result<GrpcResponse, Infallible> {
    if request.headers().get(header::AUTHORIZATION).is_some_and(|token| token != "Bearer good") {
        return Ok(Status::unauthenticated("missing or invalid bearer token").into_http());
    }
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    Ok(match method.as_str() {
        "CreateSCMIntegration" => unary(request, create).await,
        "ListSCMIntegrations" => unary(request, list).await,
        "ValidateRunnerConfiguration" => unary(request, echo::<ValidateRunnerConfigurationRequest>).await,
        "CreateHostAuthenticationToken" => unary(request, echo::<CreateHostAuthenticationTokenRequest>).await,
        "BeginKeyRegistration" => unary(request, echo::<BeginKeyRegistrationRequest>).await,
        _ => return routes.oneshot(request).await,
    })
}

async fn unary<M, F>(request: Request<Body>, handler: fn(tonic::Request<M>) -> F) -> GrpcResponse
where
    M: Message + DeserializeOwned + Default + 'static,
    F: Future<Output = Result<String, Status>> + Send + 'static,
{
    let service = tower::service_fn(move |request| {
        let id = handler(request);
        async move { id.await.map(|id| tonic::Response::new(CreateScmIntegrationResponse { id })) }
    });
    Grpc::new(Codec::<CreateScmIntegrationResponse, M>::default()).unary(service, request).await
}

/// The message as JSON, in the answer's `id`.
async fn echo<M: Serialize>(request: tonic::Request<M>) -> Result<String, Status> {
    serde_json::to_string(request.get_ref()).map_err(|_| Status::internal("unexpected"))
}

/// The query; with a page size, that many bytes.
async fn list(request: tonic::Request<ListScmIntegrationsRequest>) -> Result<String, Status> {
    if let Some(page) = &request.get_ref().pagination {
        return Ok("x".repeat(usize::try_from(page.page_size).unwrap_or_default()));
    }
    Ok(request.extensions().get::<Query>().map(|query| query.0.clone()).unwrap_or_default())
}

/// Does what `scm_id` says, else echoes.
async fn create(request: tonic::Request<CreateScmIntegrationRequest>) -> Result<String, Status> {
    match request.get_ref().scm_id.as_str() {
        "panic" => panic!("a bug"),
        "internal" => Err(Status::internal("told nobody")),
        "unknown" => Err(Status::unknown("told nobody")),
        "exists" => Err(Status::already_exists("there is one")),
        "unimplemented" => Err(Status::unimplemented("not yet")),
        "slow" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            Err(Status::internal("too late"))
        }
        _ => echo(request).await,
    }
}
