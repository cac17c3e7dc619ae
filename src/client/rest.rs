//! Calls of the REST API: users' accounts at forges and their SSH keys have no other.
use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{ApiError, Client, ClientError};
use crate::error::{Kind, Violation};

/// How long one call may take: more than the server allows itself to ask a forge.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An error as the REST API puts it.
#[derive(Deserialize)]
struct Wire {
    error: String,
    resource: Option<String>,
    code: Option<String>,
    #[serde(default)]
    errors: BTreeMap<String, Vec<String>>,
}

impl Client {
    /// Makes one call below `/v1`; `null` if the answer has no body. Segments of the path are encoded.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn rest(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let mut url = self.server.rest();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).timeout(TIMEOUT);
        if let Some(body) = body {
            let text = Bytes::from_owner(Zeroizing::new(body.to_string().into_bytes()));
            request = request.header(CONTENT_TYPE, "application/json").body(text);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = request.send().await.map_err(|source| self.failed(&source))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = self.read(answer).await?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let value: Value = serde_json::from_slice(&body).map_err(|_| self.foreign(status))?;
        if status.is_success() {
            return Ok(value);
        }
        Err(refusal(status, &headers, value).map_or_else(|| self.foreign(status), ClientError::Api))
    }
}

/// What the server says no with; `None` if it is none of its errors.
fn refusal(status: StatusCode, headers: &HeaderMap, body: Value) -> Option<ApiError> {
    let Wire { error, resource, code, errors } = serde_json::from_value(body).ok()?;
    // Accounts are named by the code alone.
    let named = code.as_deref().and_then(|code| code.strip_suffix("_not_found"));
    let message = match (resource, named) {
        (Some(resource), _) => format!("{resource} {error}"),
        (None, Some(resource)) => format!("{resource} not found"),
        (None, None) => error,
    };
    // `base` blames no field; the message says it.
    let violations =
        errors.into_iter().filter(|(field, _)| field != "base").flat_map(|(field, sentences)| {
            sentences.into_iter().map(move |sentence| Violation {
                field: field.clone(),
                rule: "".into(),
                message: sentence.into(),
            })
        });
    let refusal = ApiError {
        code: Kind::of_http(status).grpc(),
        message,
        violations: violations.collect(),
        retry_after: retry_after(headers),
        futile: false,
    };
    Some(refusal.with_headers(headers))
}

/// How long the server asks to wait, in whole seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_forge_that_limits_says_for_how_long() {
        for (value, seconds) in [("30", Some(30)), ("soon", None), ("-1", None)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
    #[test]
    fn refusals_keep_what_programs_go_by() {
        let read = |status: u16, wait: Option<&'static str>, body: Value| {
            let headers = wait.map(|wait| (RETRY_AFTER, wait.parse().unwrap()));
            refusal(StatusCode::from_u16(status).unwrap(), &headers.into_iter().collect(), body)
        };
        let said = |body: Value| read(404, None, body).unwrap().message;
        assert_eq!(said(json!({ "error": "gone", "code": "account_not_found" })), "account not found");
        assert_eq!(said(json!({ "error": "gone" })), "gone");
        assert_eq!(said(json!({ "resource": "key", "error": "not found" })), "key not found");
        assert_eq!(read(404, None, json!({ "message": "of somebody else" })), None);
        // Another request with the same key is in progress: in a moment that is done.
        let busy = read(409, Some("1"), json!({ "error": "in progress" })).unwrap();
        assert_eq!((busy.retry_after, busy.futile), (Some(Duration::from_secs(1)), false));
        let blamed = json!({ "error": "x", "errors": { "url": ["is taken"], "base": ["not now"] } });
        let fields = read(422, None, blamed).unwrap().violations;
        assert_eq!(fields.into_iter().map(|one| one.field).collect::<Vec<_>>(), ["url"]);
    }
}
