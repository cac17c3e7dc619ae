//! Calls of the REST API.
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, header::AUTHORIZATION};
use serde_json::Value;

use super::{Actor, Answer};

impl Actor {
    /// `GET /v1/keys`, with the caller's token and this body, if any.
    pub(crate) async fn rest(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let text = body.map(ToString::to_string).unwrap_or_default();
        if let Some(body) = body {
            self.watch.sent(body);
        }
        self.rest_raw(method, path, text).await
    }

    /// The same with a body that may be anything.
    pub(crate) async fn rest_raw(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.request(method.clone(), path).body(body);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        self.watch.heard(&format!("{method} {path}"), &answer);
        answer
    }

    /// `POST /v1/tokens/exchange` with HTTP Basic.
    pub(crate) async fn try_exchange(&self, path: &str, user: &str) -> Answer {
        let basic = STANDARD.encode(format!("{user}:{}", self.token.as_deref().unwrap_or_default()));
        let request =
            self.request(Method::POST, path).header(AUTHORIZATION, format!("Basic {basic}")).body("{}");
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        if !answer.status.is_success() {
            self.watch.heard("token exchange", &answer);
        }
        answer
    }

    /// The same caller with the web token that its own is good for.
    pub(crate) async fn exchanged(&self) -> Self {
        let answer = self.try_exchange("/v1/tokens/exchange", "").await.ok();
        self.with_token(answer["token"].as_str().expect("a token"))
    }
}

impl Answer {
    /// The call was refused with this status and sentence, in JSON.
    #[track_caller]
    pub(crate) fn said(&self, status: u16, error: &str) -> &Self {
        assert_eq!(self.headers["content-type"], "application/json; charset=utf-8", "{self:?}");
        let said = self.value();
        assert_eq!((self.status.as_u16(), said["error"].as_str()), (status, Some(error)), "{self:?}");
        self
    }
}
