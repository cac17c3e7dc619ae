//! `GET /runners/{id}/logs`: the end of a live agent's log, for those with a token of `CreateRunnerLogsToken`.
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Response, header},
    routing::get,
};
use tonic::Status;

use super::{
    authorization::authorization,
    grpc::{Api, mismatched},
};
use crate::{
    domain::id::RunnerId,
    error::Error,
    pb::sealink::v1::{
        TailLogCall, send_response_request::Result as Answer, watch_requests_response::Call as Question,
    },
    rpc::respond,
};

/// How much of the log.
const MOST: u32 = 1 << 20;

/// The route.
pub(super) fn routes(api: Api) -> Router {
    Router::new().route("/runners/{id}/logs", get(logs)).with_state(api)
}

async fn logs(State(api): State<Api>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    match tail(&api, &id, &headers).await {
        Ok(log) => {
            let mut response = Response::new(Body::from(log));
            for (name, value) in [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ] {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        }
        Err(status) => respond(&status),
    }
}

async fn tail(api: &Api, id: &str, headers: &HeaderMap) -> Result<Vec<u8>, Status> {
    let token = authorization(headers, "bearer").ok_or_else(Error::unauthenticated)?;
    let id = RunnerId::parse("id", id).map_err(|_| Error::unauthenticated())?;
    let runner = api.service.runner_of_logs_token(id, token).await?;
    let question = Question::TailLog(TailLogCall { max_bytes: MOST });
    match api.ask(None, &runner, question).await? {
        Answer::TailLog(mut result) => {
            let surplus = result.log.len().saturating_sub(MOST as usize);
            Ok(result.log.split_off(surplus))
        }
        _ => Err(mismatched()),
    }
}
