//! `Idempotency-Key` of creates: what is sent twice is made once.
use axum::http::HeaderMap;

use super::Rest;
use crate::{
    api::idempotency::named,
    domain::{
        access::Caller,
        idempotency::{Once, Policy, policy},
    },
    error::{Error, Result},
    service::Ask,
};

/// Makes something with `make`, at most once for the request's key if it has one. The caller it is called with decides
/// whether it makes something or answers with what the key has made. `request` is all that was asked for, spelled the
/// same whenever it says the same.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) on the header, also if the key has made something by another request;
/// [`Kind::Conflict`](crate::error::Kind::Conflict) while a request with it is in progress; those of `make`.
pub(super) async fn once<T, F, A>(
    rest: &Rest,
    caller: Caller,
    headers: &HeaderMap,
    (path, request): (&str, &[u8]),
    make: F,
) -> Result<T>
where
    F: Fn(Caller) -> A,
    A: Future<Output = Result<T>>,
{
    let Some(key) = named(headers)? else { return make(caller).await };
    let Some((method, Policy::Once)) = policy(path) else {
        return Err(Error::internal("a create without its line in domain/idempotency.rs"));
    };
    let ask = Ask { method, key: &key, request };
    let attempt = rest.service.attempt(&caller, ask).await?;
    let answer = make(attempt.caller.clone()).await;
    // Another server may have been faster, or the outcome not known.
    if answer.is_err()
        && matches!(attempt.caller.once, Some(Once::First(_)))
        && let Some(caller) = rest.service.repeated(&caller, ask).await?
    {
        return make(caller).await;
    }
    answer
}
