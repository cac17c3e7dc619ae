//! What the three APIs have in common: paths, JSON, statuses, repetitions.
use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::{
    ForgeError, Result,
    egress::Origin,
    http::{Http, LONGEST_WAIT, Request, Response},
};
use crate::clock::Clock;

/// The base of one forge's API, and what every question to it carries.
pub(crate) struct Api {
    http: Arc<Http>,
    origin: Origin,
    base: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How often a question is repeated that could not be answered for the moment.
    retries: u32,
    /// When all questions together must have been answered.
    end: Option<Instant>,
    /// Whether outages count against the forge.
    counts: bool,
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
        Ok(Self { http, origin, base, headers, retries: 0, end: None, counts: true })
    }

    /// The API below `base` at `origin`.
    pub(crate) fn at(http: Arc<Http>, origin: Origin, base: Vec<String>) -> Self {
        Self { http, origin, base, headers: Vec::new(), retries: 0, end: None, counts: true }
    }

    /// The same, whose every question carries these.
    pub(crate) fn with_headers(self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers, ..self }
    }

    /// The same, which asks again so often if the forge fails for the moment.
    pub(crate) fn with_retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// The same, whose questions and repetitions all end at `end`, as if the forge had not answered.
    pub(crate) fn until(self, end: Instant) -> Self {
        Self { end: Some(end), ..self }
    }

    /// The same, for somebody who has yet to show a token that the forge takes: anybody may name any path of it, and
    /// what fails there must not shut out those whose accounts are linked.
    pub(crate) fn for_strangers(self) -> Self {
        Self { counts: false, ..self }
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
            let too_late = self.end.is_some_and(|end| Instant::now() + pause >= end);
            if attempt == self.retries || pause > LONGEST_PAUSE || too_late {
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
        let request =
            Request { method: Method::GET, url, headers: &headers, form: None, counts: self.counts };
        self.http.send_until(&self.origin, request, self.end).await
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

/// Whether a refusal limits the rate, and until when.
fn limit(answer: &Response) -> Option<ForgeError> {
    let number = |name| answer.header(name)?.parse::<i64>().ok();
    let (remaining, reset) = (number("x-ratelimit-remaining"), number("x-ratelimit-reset"));
    let spent = remaining.map_or(reset.is_some(), |left| left == 0);
    let pause = answer.retry_after().or_else(|| reset.filter(|_| spent).map(from_now));
    (pause.is_some() || spent).then_some(ForgeError::RateLimited(pause))
}

/// How long it is to a moment in seconds since 1970.
fn from_now(moment: i64) -> Duration {
    let now = Clock::System.now().0 / 1_000_000;
    let left = u64::try_from(moment.saturating_sub(now)).unwrap_or_default();
    Duration::from_secs(left).clamp(Duration::from_secs(1), LONGEST_WAIT)
}

/// What a status means. A rate limit may hide behind 403.
fn check(answer: &Response) -> Result<()> {
    Err(match (answer.status, limit(answer)) {
        (status, _) if status.is_success() => return Ok(()),
        (StatusCode::TOO_MANY_REQUESTS, limit) => limit.unwrap_or(ForgeError::RateLimited(None)),
        (StatusCode::FORBIDDEN, Some(limit)) => limit,
        (status, _) => refusal(status),
    })
}

fn refusal(status: StatusCode) -> ForgeError {
    match status {
        StatusCode::UNAUTHORIZED => ForgeError::Unauthenticated,
        StatusCode::FORBIDDEN | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => ForgeError::Forbidden,
        // The last two: a name that the forge cannot even look for.
        StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::BAD_REQUEST => ForgeError::NotFound,
        status if status.is_server_error() => ForgeError::ServerError(status.as_u16()),
        _ => ForgeError::Protocol("it answers with a status that the API does not have"),
    }
}

fn not_json(answer: &Response) -> ForgeError {
    let html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    ForgeError::Protocol(if html { "it answers with a web page" } else { "its answer cannot be read" })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_limit_of_the_rate_ends_when_the_forge_says() {
        let now = Clock::System.now().0 / 1_000_000;
        let said = |status, headers: &[(&'static str, String)]| {
            let headers = headers.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
            });
            let headers = headers.collect::<HeaderMap>();
            check(&Response { status, headers, body: Bytes::new() }).expect_err("a refusal")
        };
        let until = |reset: i64| ("x-ratelimit-reset", reset.to_string());
        let remaining = |count: u32| ("x-ratelimit-remaining", count.to_string());
        let seconds = |error| match error {
            ForgeError::RateLimited(Some(pause)) => Some(pause.as_secs()),
            _ => None,
        };
        for status in [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS] {
            for headers in [vec![until(now + 600)], vec![until(now + 600), remaining(0)]] {
                let pause = seconds(said(status, &headers));
                assert!(pause.is_some_and(|pause| (540..=600).contains(&pause)), "{status} {pause:?}");
            }
            assert_eq!(seconds(said(status, &[until(now - 5), remaining(0)])), Some(1));
            assert_eq!(seconds(said(status, &[until(i64::MAX), remaining(0)])), Some(3_600));
            assert_eq!(seconds(said(status, &[until(i64::MIN)])), Some(1));
            let asked = ("retry-after", "17".to_owned());
            assert_eq!(seconds(said(status, &[asked, until(now + 600), remaining(0)])), Some(17));
            let asked = ("retry-after", "99999999999".to_owned());
            assert_eq!(seconds(said(status, &[asked])), Some(3_600));
            assert_eq!(said(status, &[remaining(0)]), ForgeError::RateLimited(None));
        }
        // It says so with every answer.
        let refused = said(StatusCode::FORBIDDEN, &[until(now + 600), remaining(4_999)]);
        assert_eq!(refused, ForgeError::Forbidden);
        assert_eq!(said(StatusCode::FORBIDDEN, &[]), ForgeError::Forbidden);
    }
}
