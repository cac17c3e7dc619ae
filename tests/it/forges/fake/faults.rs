//! What a forge, or what is none, can answer wrongly.
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use serde_json::json;

use super::{Body, Heard, json_reply, reply};

/// What goes wrong with every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Unauthorized,
    Forbidden,
    RateLimit403,
    NotFound,
    TooMany,
    Internal,
    /// As a proxy answers for a forge that is down.
    Away,
    Html,
    /// The same, after longer than is asked twice in the time there is.
    AwaySlowly,
    /// Nothing goes wrong, but every answer takes a while.
    Sluggish,
    /// Only addresses are refused.
    EmailsForbidden,
    /// Never answers.
    Slow,
    /// Says its whole length, far too much.
    Oversized,
    /// Says no length, and goes on.
    Endless,
    BadJson,
    /// Valid JSON of another shape.
    OtherJson,
    RedirectElsewhere,
    RedirectToMetadata,
    RedirectForEver,
    /// Once, to the same path without the query, as for a renamed repository.
    RedirectInside,
    /// Closes the connection in the middle.
    Truncated,
    /// Nothing goes wrong, but the person is called otherwise now.
    Renamed,
    /// The same; somebody else has the old name, and the token may not list its own keys.
    TakenOver,
    /// Nothing goes wrong, but the token is said to be another person's.
    Replaced,
}

/// The answer of a forge that is broken like this; `count` says how many requests came, with this one.
pub(super) async fn broken(fault: Fault, heard: &Heard, count: usize) -> Option<Response<Body>> {
    let canary = json!({ "message": "canary-from-the-forge" });
    let redirect = |to: &str| {
        let mut reply = json_reply(301, &canary);
        reply.headers_mut().insert("location", to.parse().expect("a header"));
        reply
    };
    let with = |mut reply: Response<Body>, name: &'static str, value: &'static str| {
        reply.headers_mut().insert(name, value.parse().expect("a header"));
        reply
    };
    Some(match fault {
        Fault::Unauthorized => json_reply(401, &canary),
        Fault::Forbidden => json_reply(403, &canary),
        Fault::RateLimit403 => with(json_reply(403, &canary), "x-ratelimit-remaining", "0"),
        Fault::NotFound => json_reply(404, &canary),
        Fault::TooMany => with(json_reply(429, &canary), "retry-after", "17"),
        Fault::Internal => json_reply(500, &canary),
        Fault::Away => json_reply(503, &canary),
        Fault::AwaySlowly => {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            json_reply(503, &canary)
        }
        Fault::Sluggish => {
            tokio::time::sleep(Duration::from_millis(400)).await;
            return None;
        }
        Fault::EmailsForbidden if heard.target.contains("user/emails") => json_reply(403, &canary),
        Fault::EmailsForbidden => return None,
        Fault::Html => reply(200, "text/html", "<html>canary-from-the-forge</html>"),
        Fault::Slow => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            return None;
        }
        Fault::Oversized => reply(200, "application/json", vec![b' '; (5 << 20) + 1]),
        Fault::Endless => {
            let chunk = || Ok(http_body::Frame::data(Bytes::from(vec![b' '; 64 << 10])));
            let body = http_body_util::StreamBody::new(futures_util::stream::repeat_with(chunk));
            Response::new(BodyExt::boxed(body))
        }
        Fault::BadJson => reply(200, "application/json", r#"{"login": "canary-from-the-forge", "#),
        Fault::OtherJson => json_reply(200, &json!({ "login": ["canary-from-the-forge"] })),
        // Another host by name, though it is the same machine.
        Fault::RedirectElsewhere => redirect(&format!("http://localhost:1{}", heard.target)),
        Fault::RedirectToMetadata => redirect("http://169.254.169.254/latest/meta-data/"),
        Fault::RedirectForEver => redirect(&heard.target),
        Fault::RedirectInside if count == 1 => redirect(&heard.target),
        Fault::None | Fault::RedirectInside | Fault::Renamed | Fault::TakenOver | Fault::Replaced => {
            return None;
        }
        Fault::Truncated => {
            let frames =
                [Ok(http_body::Frame::data(Bytes::from_static(b"{"))), Err(std::io::Error::other("cut"))];
            Response::new(BodyExt::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames))))
        }
    })
}
