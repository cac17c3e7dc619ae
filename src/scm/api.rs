//! What the three APIs have in common: paths, JSON, statuses, pages.
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use super::{ForgeError, Page, Result};
use crate::agent::{
    egress::Origin,
    http::{Answer, Http, Question},
};

/// The base of one forge's API, and what every question to it carries.
pub(super) struct Api {
    http: Arc<Http>,
    origin: Origin,
    base: &'static [&'static str],
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Api {
    /// The API below `base` at the origin of `host`.
    pub(super) fn new(
        http: Arc<Http>,
        host: &str,
        base: &'static [&'static str],
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Self> {
        let origin = http.origin(host)?;
        Ok(Self { http, origin, base, headers })
    }

    /// Asks for `path` below the base and reads the answer as JSON, whatever its members.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        who: Option<(HeaderName, HeaderValue)>,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(T, Answer)> {
        let answer = self.ask(who, path, query).await?;
        check(&answer)?;
        // No cause: serde's texts quote what they read.
        let value = serde_json::from_slice(&answer.body).map_err(|_| not_json(&answer))?;
        Ok((value, answer))
    }

    /// As [`get`](Self::get), but what is not found is `None`.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        who: Option<(HeaderName, HeaderValue)>,
        path: &[&str],
    ) -> Result<Option<T>> {
        match self.get(who, path, &[]).await {
            Ok((value, _)) => Ok(Some(value)),
            Err(ForgeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether JSON comes back from `path`, also with a refusal.
    pub(super) async fn probe(&self, path: &[&str]) -> Result<()> {
        let answer = self.ask(None, path, &[]).await?;
        match check(&answer) {
            Ok(())
            | Err(ForgeError::Unauthenticated | ForgeError::Forbidden | ForgeError::RateLimited(_)) => {
                serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body)
                    .map_err(|_| not_json(&answer))?;
                Ok(())
            }
            Err(ForgeError::NotFound) => Err(ForgeError::Foreign("it has no such API")),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        who: Option<(HeaderName, HeaderValue)>,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let headers: Vec<_> = self.headers.iter().cloned().chain(who).collect();
        let question = Question { method: Method::GET, url, headers: &headers, form: None };
        self.http.ask(&self.origin, question).await
    }

    fn url(&self, path: &[&str]) -> Url {
        self.origin.at(&[self.base, path].concat())
    }
}

/// A credential as a header of this name: `prefix`, then the secret.
pub(super) fn header(name: HeaderName, prefix: &str, secret: &str) -> Result<(HeaderName, HeaderValue)> {
    let text = Zeroizing::new(format!("{prefix}{secret}"));
    // A token with other letters is none that a forge gave out.
    let mut value = HeaderValue::from_str(&text).map_err(|_| ForgeError::Unauthenticated)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// `Authorization: Bearer ..`
pub(super) fn bearer(secret: &str) -> Result<(HeaderName, HeaderValue)> {
    header(AUTHORIZATION, "Bearer ", secret)
}

/// Makes a page of what came back. `more` and `total` are said in headers, by each forge in its own.
pub(super) fn page<T>(items: Vec<T>, answer: &Answer, total: Option<u64>) -> Page<T> {
    let link = answer.header("link").is_some_and(|link| link.contains("rel=\"next\""));
    let next = answer.header("x-next-page").is_some_and(|page| !page.is_empty());
    let named = ["x-total", "x-total-count"].iter().find_map(|name| answer.header(name)?.parse().ok());
    Page { items, more: link || next, total: total.or(named) }
}

/// What a status means. A rate limit may hide behind 403.
fn check(answer: &Answer) -> Result<()> {
    let limited = answer.retry_after().is_some() || answer.header("x-ratelimit-remaining") == Some("0");
    Err(match answer.status {
        status if status.is_success() => return Ok(()),
        StatusCode::TOO_MANY_REQUESTS => ForgeError::RateLimited(answer.retry_after()),
        StatusCode::FORBIDDEN if limited => ForgeError::RateLimited(answer.retry_after()),
        StatusCode::UNAUTHORIZED => ForgeError::Unauthenticated,
        StatusCode::FORBIDDEN | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => ForgeError::Forbidden,
        // The last two: a name that the forge cannot even look for.
        StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::BAD_REQUEST => ForgeError::NotFound,
        status if status.is_server_error() => ForgeError::Failing(status.as_u16()),
        _ => ForgeError::Foreign("it answers with a status that the API does not have"),
    })
}

fn not_json(answer: &Answer) -> ForgeError {
    let html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    ForgeError::Foreign(if html { "it answers with a web page" } else { "its answer cannot be read" })
}
