//! When a call must be over: the client's wish and the server's own limits.
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::Status;

use super::{Config, methods::Kind};

const CONNECT_TIMEOUT: &str = "connect-timeout-ms";
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Request extension: the moment after which nobody waits for the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// The two moments of one call; `None` is never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// The first request message must be complete.
    pub(super) message: Option<Instant>,
    /// The answer must be complete.
    pub(super) answer: Option<Instant>,
}

impl Deadlines {
    /// Reads the client's timeout; a Connect one is turned into `grpc-timeout`, so that handlers see one header.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a malformed timeout.
    pub(super) fn take(headers: &mut HeaderMap, kind: Kind, config: &Config) -> Result<Self, Status> {
        let now = Instant::now();
        let client = match headers.remove(CONNECT_TIMEOUT) {
            Some(value) => Some(connect_timeout(&value, headers)?),
            None => headers.get(GRPC_TIMEOUT).map(grpc_timeout).transpose()?,
        };
        let client = client.and_then(|timeout| now.checked_add(timeout));
        let within =
            |limit: Duration| now.checked_add(limit).map(|own| client.map_or(own, |client| own.min(client)));
        Ok(match kind {
            Kind::Unary => Self { message: within(arrival(config.total)), answer: within(config.total) },
            _ => Self { message: within(config.first_message), answer: client },
        })
    }
}

/// How much of a call's time its request may take to arrive: who sends it byte by byte is answered, and then read a
/// little longer by the listener, within all of it.
pub(crate) fn arrival(total: Duration) -> Duration {
    total * 2 / 3
}

/// The answer when time is up.
pub(super) fn exceeded() -> Status {
    Status::deadline_exceeded("deadline exceeded")
}

/// Runs `work` until `deadline`; a deadline that has passed already wins over work that is done.
pub(super) async fn until<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T, Status> {
    match deadline {
        Some(deadline) if deadline <= Instant::now() => Err(exceeded()),
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.map_err(|_| exceeded()),
        None => Ok(work.await),
    }
}

fn connect_timeout(value: &HeaderValue, headers: &mut HeaderMap) -> Result<Duration, Status> {
    let millis = digits(value.as_bytes(), 10).ok_or_else(|| {
        Status::invalid_argument("connect-timeout-ms: must be an integer of at most 10 digits")
    })?;
    let grpc = if millis < 100_000_000 { format!("{millis}m") } else { format!("{}S", millis / 1000) };
    if let Ok(grpc) = HeaderValue::try_from(grpc) {
        headers.insert(GRPC_TIMEOUT, grpc);
    }
    Ok(Duration::from_millis(millis))
}

fn grpc_timeout(value: &HeaderValue) -> Result<Duration, Status> {
    value
        .as_bytes()
        .split_last()
        .and_then(|(unit, number)| Some((*unit, digits(number, 8)?)))
        .and_then(|(unit, number)| match unit {
            b'H' => Some(Duration::from_secs(number * 3600)),
            b'M' => Some(Duration::from_secs(number * 60)),
            b'S' => Some(Duration::from_secs(number)),
            b'm' => Some(Duration::from_millis(number)),
            b'u' => Some(Duration::from_micros(number)),
            b'n' => Some(Duration::from_nanos(number)),
            _ => None,
        })
        .ok_or_else(|| {
            Status::invalid_argument("grpc-timeout: must be at most 8 digits and a unit (H M S m u n)")
        })
}

fn digits(text: &[u8], most: usize) -> Option<u64> {
    let valid = (1..=most).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| valid)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_both_protocols() {
        let grpc = |text: &'static str| grpc_timeout(&HeaderValue::from_static(text)).ok();
        assert_eq!(grpc("5000m"), Some(Duration::from_secs(5)));
        assert_eq!(grpc("99999999H"), Some(Duration::from_hours(99_999_999)));
        for bad in ["", "m", "123456789m", "5x", "-5m", "5 m", "+5m"] {
            assert_eq!(grpc(bad), None, "{bad}");
        }
        let mut headers = HeaderMap::new();
        let connect = connect_timeout(&HeaderValue::from_static("9999999999"), &mut headers);
        assert_eq!(connect.ok(), Some(Duration::from_millis(9_999_999_999)));
        assert_eq!(headers["grpc-timeout"], "9999999S");
    }
}
