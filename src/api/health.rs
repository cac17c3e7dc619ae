//! Is the process alive, and can it do its work: `grpc.health.v1.Health` on every protocol, `/livez`, `/readyz`.
use std::{collections::HashSet, pin::Pin, sync::Arc};

use axum::{Router, http::StatusCode, routing::get};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Request, Response, Status};

use crate::pb::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{self, HealthServer},
};

/// How many may `Watch` at once.
const WATCHES: usize = 4_096;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Alive, but not able to do its work: starting, or without its database.
    NotReady,
    /// Serving.
    Ready,
    /// Serving what only reads: the disk is full, or the database may only be read.
    ReadOnly,
    /// Shutting down; it will not become ready again, and `Watch` streams end.
    Stopping,
}

/// The handle that turns readiness on and off, and everything that tells it to others. Clones share one state.
#[derive(Clone, Debug)]
pub struct Health {
    state: watch::Sender<Readiness>,
    services: Arc<HashSet<String>>,
    /// Of `Watch`: apart from those of agents, since anybody may take one.
    places: Arc<Semaphore>,
}

impl Health {
    /// Not ready yet. `services` are the full names that `Check` and `Watch` know besides the empty one.
    pub fn new(services: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let (state, _) = watch::channel(Readiness::NotReady);
        let services = Arc::new(services.into_iter().map(Into::into).collect());
        Self { state, services, places: Arc::new(Semaphore::new(WATCHES)) }
    }

    /// Changes the state; [`Readiness::Stopping`] is final.
    pub fn set(&self, readiness: Readiness) {
        self.state.send_if_modified(|state| {
            let change = *state != readiness && *state != Readiness::Stopping;
            if change {
                *state = readiness;
            }
            change
        });
    }

    /// The present state.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        *self.state.borrow()
    }

    /// Completes when the process begins to shut down.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut state = self.state.subscribe();
        async move {
            // An error means that the process is gone, too.
            let _ = state.wait_for(|state| *state == Readiness::Stopping).await;
        }
    }

    /// The service to add to tonic's routes.
    #[must_use]
    pub fn grpc(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone())
    }

    /// `/livez`: 200 while the process runs. `/readyz`: 200 when ready, else 503; with `write=false` if only for
    /// reading.
    pub fn http(&self) -> Router {
        let health = self.clone();
        let readyz = move || {
            let readiness = health.readiness();
            async move {
                match readiness {
                    Readiness::Ready => (StatusCode::OK, "ready\n"),
                    Readiness::ReadOnly => (StatusCode::OK, "ready, write=false\n"),
                    Readiness::NotReady | Readiness::Stopping => {
                        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
                    }
                }
            }
        };
        Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(readyz))
    }

    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(service)
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

fn serving(readiness: Readiness) -> HealthCheckResponse {
    answer(match readiness {
        Readiness::Ready | Readiness::ReadOnly => ServingStatus::Serving,
        Readiness::NotReady | Readiness::Stopping => ServingStatus::NotServing,
    })
}

type Changes = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("service not found"));
        }
        Ok(Response::new(serving(self.readiness())))
    }

    type WatchStream = Changes;

    /// An unknown service is no error here: it might be known later, says the health protocol.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Changes>, Status> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Status::resource_exhausted("too many open streams"))?;
        let known = self.knows(&request.get_ref().service);
        let message = move |readiness| {
            if known { serving(readiness) } else { answer(ServingStatus::ServiceUnknown) }
        };
        Ok(Response::new(Box::pin(changes(self.state.subscribe(), message, place))))
    }
}

/// The present message and then every one that differs from the last; ends with the process, and keeps its place
/// until then.
fn changes(
    mut state: watch::Receiver<Readiness>,
    message: impl Fn(Readiness) -> HealthCheckResponse + Send + 'static,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<HealthCheckResponse, Status>> + Send {
    state.mark_changed();
    stream::unfold((state, message, None, place), |(mut state, message, mut last, place)| async move {
        loop {
            if last.is_some() && *state.borrow() == Readiness::Stopping {
                return None;
            }
            state.changed().await.ok()?;
            let next = message(*state.borrow_and_update());
            if last.as_ref() != Some(&next) {
                last = Some(next);
                return Some((Ok(next), (state, message, last, place)));
            }
        }
    })
}
