//! What the three APIs have in common: paths, JSON, statuses, pages.
use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use super::{
    ForgeError, Result,
    egress::Origin,
    http::{Http, Request, Response},
};
use crate::domain::forge::Listed;

/// The base of one forge's API, and what every question to it carries.
pub(crate) struct Api {
    http: Arc<Http>,
    origin: Origin,
    base: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How often a question is repeated that could not be answered for the moment.
    retries: u32,
}

/// How a forge cuts its lists.
#[derive(Clone, Copy)]
pub(crate) struct Paging {
    /// The parameter that says how long a page is.
    pub(crate) size_name: &'static str,
    /// The longest there is.
    pub(crate) size: usize,
}

/// The pause before the first repetition; the second is after twice as long.
const PAUSE: Duration = Duration::from_millis(250);
/// A forge that asks for a longer one is not asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Api {
    /// The API below `base` at the origin of `host`.
    pub(crate) fn new(
        http: Arc<Http>,
        host: &str,
        base: &'static [&'static str],
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Self> {
        let origin = http.origin(host)?;
        let base = base.iter().map(|part| (*part).to_owned()).collect();
        Ok(Self { http, origin, base, headers, retries: 0 })
    }

    /// The API below `base` at `origin`.
    pub(crate) fn at(http: Arc<Http>, origin: Origin, base: Vec<String>) -> Self {
        Self { http, origin, base, headers: Vec::new(), retries: 0 }
    }

    /// The same, whose every question carries these.
    pub(crate) fn with_headers(self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers, ..self }
    }

    /// The same, which asks again so often if the forge fails for the moment.
    pub(crate) fn with_retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// Reads a list page by page, but no more than `most`.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        who: (HeaderName, HeaderValue),
        path: &[&str],
        query: &[(&str, &str)],
        paging: Paging,
        most: usize,
    ) -> Result<Listed<T>> {
        let size = paging.size.to_string();
        let mut items = Vec::new();
        for page in 1..=most.div_ceil(paging.size).max(1) {
            let page = page.to_string();
            let parameters = [("page", page.as_str()), (paging.size_name, size.as_str())];
            let query = [query, &parameters].concat();
            let (more, answer): (Vec<T>, _) = self.get(Some(who.clone()), path, &query).await?;
            items.extend(more);
            if !answer.says_more() {
                let truncated = items.len() > most;
                items.truncate(most);
                return Ok(Listed { items, truncated });
            }
        }
        items.truncate(most);
        Ok(Listed { items, truncated: true })
    }

    /// Asks for `path` below the base and reads the answer as JSON, whatever its members.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        who: Option<(HeaderName, HeaderValue)>,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(T, Response)> {
        let answer = self.patiently(who, path, query).await?;
        // No cause: serde's texts quote what they read.
        let value = serde_json::from_slice(&answer.body).map_err(|_| not_json(&answer))?;
        Ok((value, answer))
    }

    /// As [`get`](Self::get), but what is not found is `None`.
    pub(crate) async fn find<T: DeserializeOwned>(
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
    pub(crate) async fn probe(&self, path: &[&str]) -> Result<()> {
        let answer = self.send(None, path, &[]).await?;
        match check(&answer) {
            Ok(())
            | Err(ForgeError::Unauthenticated | ForgeError::Forbidden | ForgeError::RateLimited(_)) => {
                serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body)
                    .map_err(|_| not_json(&answer))?;
                Ok(())
            }
            Err(ForgeError::NotFound) => Err(ForgeError::Protocol("it has no such API")),
            Err(error) => Err(error),
        }
    }

    /// Asks, and asks again if that may help.
    async fn patiently(
        &self,
        who: Option<(HeaderName, HeaderValue)>,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Response> {
        let mut attempt = 0;
        loop {
            let answer = self.send(who.clone(), path, query).await;
            let answer = answer.and_then(|answer| check(&answer).map(|()| answer));
            let pause = match &answer {
                Err(ForgeError::ServerError(502..=504) | ForgeError::NoConnection) => {
                    PAUSE * 2_u32.pow(attempt)
                }
                Err(ForgeError::RateLimited(Some(pause))) => *pause,
                _ => return answer,
            };
            if attempt == self.retries || pause > LONGEST_PAUSE {
                return answer;
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn send(
        &self,
        who: Option<(HeaderName, HeaderValue)>,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Response> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let headers: Vec<_> = self.headers.iter().cloned().chain(who).collect();
        let request = Request { method: Method::GET, url, headers: &headers, form: None };
        self.http.send(&self.origin, request).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let base = self.base.iter().map(String::as_str);
        self.origin.at(&base.chain(path.iter().copied()).collect::<Vec<_>>())
    }
}

/// A credential as a header of this name: `prefix`, then the secret.
pub(crate) fn header(name: HeaderName, prefix: &str, secret: &str) -> Result<(HeaderName, HeaderValue)> {
    let text = Zeroizing::new(format!("{prefix}{secret}"));
    // A token with other letters is none that a forge gave out.
    let mut value = HeaderValue::from_str(&text).map_err(|_| ForgeError::Unauthenticated)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// `Authorization: Bearer ..`
pub(crate) fn bearer(secret: &str) -> Result<(HeaderName, HeaderValue)> {
    header(AUTHORIZATION, "Bearer ", secret)
}

/// What a status means. A rate limit may hide behind 403.
fn check(answer: &Response) -> Result<()> {
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
        status if status.is_server_error() => ForgeError::ServerError(status.as_u16()),
        _ => ForgeError::Protocol("it answers with a status that the API does not have"),
    })
}

fn not_json(answer: &Response) -> ForgeError {
    let html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    ForgeError::Protocol(if html { "it answers with a web page" } else { "its answer cannot be read" })
}
