//! The one place where handlers unpack requests: caller, audience, query, rules, in this order.
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    auth::{Deferred, caller},
    idempotency::Probe,
    rules::{Rpc, check},
};
use crate::{
    domain::{
        access::{Audience, Caller},
        idempotency::Once,
    },
    error::{Error, Result},
    pb::gitpod::v1::{PaginationRequest, PaginationResponse},
    rpc::Query,
    service::PageAsk,
};

/// What a handler answers.
pub(super) type Reply<T> = Result<Response<T>, Status>;

/// The caller and the checked message of a request.
pub(super) fn parts<R>(request: Request<R>, audience: Audience) -> Result<(Caller, R), Status>
where
    R: Rpc + Message,
{
    let caller = caller(request.extensions())?;
    caller.admit(audience, R::NO_SIDE_EFFECTS)?;
    if caller.once == Some(Once::Probe) {
        let extensions = request.extensions().clone();
        return Err(Probe::stop(&extensions, &checked(request)?));
    }
    Ok((caller, checked(request)?))
}

/// The unchecked token and the checked message of a request to a method without side effects, whose use case checks
/// the token and whom it is for.
pub(super) fn deferred_parts<R: Rpc>(request: Request<R>) -> Result<(Arc<Deferred>, R), Status> {
    let deferred = request.extensions().get::<Arc<Deferred>>().cloned();
    let deferred = deferred.ok_or_else(Error::unauthenticated)?;
    Ok((deferred, checked(request)?))
}

/// The checked message of a request that needs no token.
pub(super) fn checked<R: Rpc>(request: Request<R>) -> Result<R, Status> {
    let query = request.extensions().get::<Query>().cloned();
    let mut message = request.into_inner();
    if let (Some(Query(query)), Some(pagination)) = (query, message.pagination_mut()) {
        overlay(&query, pagination)?;
    }
    check(&message)?;
    Ok(message)
}

/// Official clients page by `?token=..&pageSize=..` and send the body of page 1 unchanged: a non-empty token
/// and a non-zero size of the query win, member by member.
fn overlay(query: &str, pagination: &mut Option<PaginationRequest>) -> Result<()> {
    for pair in query.split('&') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let refuse = |rule| Err(Error::invalid("pagination", rule, "query parameters must be valid"));
        let Ok(value) = percent_decode_str(value).decode_utf8() else { return refuse("sealink.utf8") };
        match name {
            "token" if !value.is_empty() => {
                pagination.get_or_insert_default().token = value.into_owned();
            }
            "pageSize" | "page_size" if !value.is_empty() => match value.parse() {
                Ok(0) => {}
                Ok(size) => pagination.get_or_insert_default().page_size = size,
                Err(_) => {
                    let message = "value must be an integer from 0 to 100";
                    return Err(Error::invalid("pagination.page_size", "int32.gte_lte", message));
                }
            },
            _ => {}
        }
    }
    Ok(())
}

/// What a request says about paging.
pub(super) fn page_ask(pagination: Option<PaginationRequest>) -> PageAsk {
    let PaginationRequest { page_size, token } = pagination.unwrap_or_default();
    PageAsk { size: page_size, token }
}

/// What an answer says about paging.
pub(super) fn page_answer(next_token: String) -> PaginationResponse {
    PaginationResponse { next_token }
}
