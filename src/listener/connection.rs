//! One connection: protocol, limits, and the way to the application.
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::net::TcpStream;
use tower::util::MapRequest;

use super::{App, Limits, drain::Drain, handshake::Handshake};

/// HTTP/2 bytes a client may send ahead, per stream and per connection: more than any message is long.
const WINDOW: u32 = 128 * 1024;
/// HTTP/2 bytes kept for a client that reads slowly, per stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that were opened and reset before they were served; beyond, the connection is told to go away.
const PENDING_RESETS: usize = 20;

/// Makes connections with one set of limits.
pub(super) struct Connections {
    http: auto::Builder<TokioExecutor>,
    limits: Limits,
}

impl Connections {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .max_buf_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX).max(8192));
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout)
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.header_bytes)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        Self { http, limits: limits.clone() }
    }

    /// Serves one connection to its end; the future ends early when it breaks a limit.
    pub(super) fn serve<A: App>(
        &self,
        stream: TcpStream,
        app: A,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + Send + use<A> {
        // Two small writes (message, trailers) must not wait for each other's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let app = MapRequest::new(app, admit);
        let stream = TokioIo::new(Handshake::new(stream, self.limits.handshake));
        let connection = self.http.serve_connection(stream, TowerToHyperService::new(app)).into_owned();
        let connection = graceful.watch(connection);
        async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "connection ended early");
            }
        }
    }
}

fn admit(request: Request<Incoming>) -> Request<Body> {
    let version = request.version();
    request.map(|body| Drain::wrap(body, version))
}
