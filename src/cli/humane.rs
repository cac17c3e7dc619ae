//! Times and spans as people say them.
use std::time::Duration;

use crate::{
    clock::Clock,
    error::{Error, Kind, Result},
    wkt::Timestamp,
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `2 hours ago`, `in 29 days`; empty if there is no time.
pub(super) fn when(time: Option<&Timestamp>) -> String {
    let now = Clock::System.now().0.div_euclid(1_000_000);
    time.map_or_else(String::new, |time| relative(time.seconds.saturating_sub(now)))
}

/// The exact time and how long ago: `2026-01-02T03:04:05Z (2 hours ago)`.
pub(super) fn exact(time: Option<&Timestamp>) -> String {
    let text = time.and_then(|time| serde_json::to_value(Timestamp { nanos: 0, ..*time }).ok());
    match text.as_ref().and_then(serde_json::Value::as_str) {
        Some(text) => format!("{text} ({})", when(time)),
        None => String::new(),
    }
}

fn relative(seconds: i64) -> String {
    let far = seconds.saturating_abs();
    let (count, unit) = match far {
        0..MINUTE => return if seconds > 0 { "in a moment" } else { "just now" }.to_owned(),
        MINUTE..HOUR => (far / MINUTE, "minute"),
        HOUR..DAY => (far / HOUR, "hour"),
        _ => (far / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if seconds < 0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

/// Reads a span of time such as `30d`, `12h`, `45m` or `90s`.
///
/// # Errors
/// [`Kind::Invalid`] for anything else, and for zero.
pub(super) fn span(text: &str) -> Result<Duration> {
    let refuse = || Error::new(Kind::Invalid, "a span of time looks like 30d, 12h, 45m or 90s");
    let unit = match text.chars().last() {
        Some('d') => DAY,
        Some('h') => HOUR,
        Some('m') => MINUTE,
        Some('s') => 1,
        _ => return Err(refuse()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| refuse())?;
    if count == 0 {
        return Err(refuse());
    }
    Ok(Duration::from_secs(u64::from(count) * unit.unsigned_abs()))
}

/// The moment that lies `span` before now.
pub(super) fn ago(span: Duration) -> Timestamp {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    Timestamp { seconds: Clock::System.now().0.div_euclid(1_000_000).saturating_sub(seconds), nanos: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_down() {
        for (seconds, text) in [
            (0, "just now"),
            (-59, "just now"),
            (-60, "1 minute ago"),
            (-7_199, "1 hour ago"),
            (-2 * DAY, "2 days ago"),
            (30, "in a moment"),
            (30 * DAY - 1, "in 29 days"),
        ] {
            assert_eq!(relative(seconds), text);
        }
    }

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span("30d").unwrap(), Duration::from_hours(720));
        assert_eq!(span("90s").unwrap(), Duration::from_secs(90));
        for text in ["", "30", "d", "0h", "-1d", "1.5h", "1 d", "30days", "99999999999d", "5\u{e9}"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
