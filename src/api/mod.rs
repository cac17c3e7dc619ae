//! The edge: bytes to types and back, callers, errors. The only place that knows the protocols.
mod access_log;
mod auth;
mod authorization;
mod convert;
pub mod cors;
mod grpc;
pub mod health;
mod idempotency;
pub mod layers;
mod logs;
mod oauth;
mod pages;
pub mod reflection;
mod request;
mod rest;
pub mod rules;
mod status;
mod streams;

use std::sync::Arc;

use axum::{Router, body::Body};
use http::Request;
use tower::{ServiceBuilder, util::MapRequestLayer};

pub(crate) use self::convert::REFRESH_QUESTION;
use self::{auth::Authenticate, cors::cors, grpc::Api, health::Health, layers::layers, rules::Rpc};
use crate::{
    error::{Error, Result},
    listener::App,
    pb::{self, sealink::v1::SendResponseRequest},
    rpc::{Bridge, Config, Methods},
    service::Service,
};

/// What `Check` and `Watch` of the health service know.
pub const SERVICES: [&str; 12] = [
    "gitpod.v1.GroupService",
    "gitpod.v1.IdentityService",
    "gitpod.v1.RunnerConfigurationService",
    "gitpod.v1.RunnerService",
    "sealink.v1.AuditService",
    "sealink.v1.KeyringService",
    "sealink.v1.RunnerAgentService",
    "sealink.v1.RunnerKeyService",
    "sealink.v1.ServiceAccountService",
    "sealink.v1.SshKeyService",
    "sealink.v1.TokenService",
    "sealink.v1.UserService",
];

/// Bytes of an agent's answer.
const ANSWER_BYTES: usize = 2 << 20;

/// What of the edge can be configured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits of RPCs.
    pub rpc: Config,
    /// Origins of browser pages that may call.
    pub origins: Vec<String>,
    /// Whether to serve reflection, to callers without a token too.
    pub reflection: bool,
}

/// Everything that is served on the port.
///
/// ```text
/// layers -> /livez, /readyz, /runners/{id}/logs, /oauth/.., /v1/..
///        -> Bridge: framing, limits -> Authenticate -> tonic: decode -> Api
/// ```
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) for an origin that is none.
pub fn app(service: Arc<Service>, health: &Health, options: &Options) -> Result<impl App> {
    let api = Api::new(Arc::clone(&service), health.clone());
    let mut services = api.routes().add_service(health.grpc());
    let mut methods = Methods::default().with(pb::DESCRIPTORS, true).map_err(Error::internal)?;
    if options.reflection {
        (services, methods) = reflection::add(services, methods, pb::DESCRIPTORS).map_err(Error::internal)?;
    }
    // The end of a log, as JSON, is the longest.
    methods = methods.allow(SendResponseRequest::PATH, ANSWER_BYTES);
    let calls = ServiceBuilder::new()
        // Framing and limits were checked, nothing is decoded yet: the place to ask who calls.
        .layer(Authenticate::new(Arc::clone(&service)))
        .layer(MapRequestLayer::new(|request: Request<Body>| request.map(tonic::body::Body::new)))
        .service(services.prepare());
    let router = Router::new()
        .merge(health.http())
        .merge(logs::routes(api.clone()))
        .merge(oauth::routes(api))
        .merge(rest::routes(service, options.rpc.total))
        .fallback_service(Bridge::new(calls, methods, options.rpc));
    Ok(layers(router, cors(&options.origins)?))
}
