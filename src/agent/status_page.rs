//! `--status-listen`: `/livez`, `/readyz` and `/metrics` for whoever watches over this machine.
use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use super::health::Health;
use crate::{
    clock::Clock,
    error::{Error, Kind, Result},
};

const CONNECTIONS: usize = 32;

/// The page's socket, before it is served.
#[derive(Debug)]
pub struct StatusPage {
    listener: TcpListener,
}

impl StatusPage {
    /// Listens on an address of this machine.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for any other address: the page says things to whoever asks. [`Kind::Unavailable`] if
    /// the address cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(Error::new(
                Kind::Invalid,
                "--status-listen: must be an address of this machine such as 127.0.0.1:7401",
            ));
        }
        let cannot = |error| Error::new(Kind::Unavailable, format!("cannot listen on {address}: {error}"));
        TcpListener::bind(address).await.map(|listener| Self { listener }).map_err(cannot)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(Error::internal)
    }

    /// Answers until it is dropped.
    pub async fn serve(self, health: Arc<Health>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let health = Arc::clone(&health);
            tokio::spawn(async move {
                let _place = place;
                let service = service_fn(move |request| {
                    let answer = answer(&request, &health);
                    async move { Ok::<_, Infallible>(answer) }
                });
                // Who breaks off has what it wanted.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(std::time::Duration::from_secs(5))
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }
}

fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    let facts = health.facts();
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/livez") => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET, "/readyz") if facts.is_ready() => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET, "/readyz") => (StatusCode::SERVICE_UNAVAILABLE, "no configuration yet\n".to_owned()),
        (&Method::GET, "/metrics") => (StatusCode::OK, facts.metrics(&Clock::System)),
        _ => (StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; version=0.0.4"));
    answer
}
