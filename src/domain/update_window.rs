//! When a runner may update itself.
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Hours of the day in UTC between which a runner may update itself; may wrap midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateWindow {
    /// First hour, 0 to 23.
    pub start: u32,
    /// Hour the window ends at, 0 to 23, at least two after `start`.
    pub end: u32,
}

impl UpdateWindow {
    /// Reads a window as requests give it: nothing set is no window; `end` defaults to two hours after
    /// `start`.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) below `field`: hours beyond 23, an end without a start,
    /// or less than two hours.
    pub fn parse(field: &str, start: Option<u32>, end: Option<u32>) -> Result<Option<Self>> {
        let refuse = |member: &str, message: &'static str| {
            Err(Error::invalid(format!("{field}.{member}"), "sealink.update_window", message))
        };
        let Some(start) = start else {
            return match end {
                None => Ok(None),
                Some(_) => refuse("start_hour", "value is required with end_hour"),
            };
        };
        let end = end.unwrap_or((start.min(23) + 2) % 24);
        if start > 23 {
            return refuse("start_hour", "value must be an hour from 0 to 23");
        }
        if end > 23 {
            return refuse("end_hour", "value must be an hour from 0 to 23");
        }
        if (end + 24 - start) % 24 < 2 {
            return refuse("end_hour", "value must be at least two hours after start_hour");
        }
        Ok(Some(Self { start, end }))
    }
}
