//! Token endpoints as the forges have them, error for error.
use hyper::Response;
use serde_json::json;

use super::{Body, Heard, Kind, json_reply, scene::TOKEN};

/// The only OAuth app.
pub(crate) const CLIENT_ID: &str = "the-client";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "sealink-canary-client-secret";

/// What the forge says to a form.
pub(super) fn answer(kind: Kind, heard: &Heard) -> Response<Body> {
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(heard.body.as_bytes()).into_owned().collect();
    let get =
        |name: &str| form.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str());
    let refuse = |status: u16, error: &str, description: &str| {
        // GitHub says everything with 200.
        let status = if kind == Kind::GitHub { 200 } else { status };
        json_reply(status, &json!({ "error": error, "error_description": description }))
    };
    if get("client_id") != CLIENT_ID {
        return match kind {
            Kind::GitHub => json_reply(404, &json!({ "error": "Not Found" })),
            Kind::GitLab => refuse(401, "invalid_client", "Client authentication failed"),
            Kind::Gitea | Kind::Forgejo => refuse(400, "invalid_client", "cannot load client with client id"),
        };
    }
    if get("client_secret") != CLIENT_SECRET {
        return match kind {
            Kind::GitHub => refuse(200, "incorrect_client_credentials", "are incorrect"),
            Kind::GitLab => refuse(401, "invalid_client", "Client authentication failed"),
            Kind::Gitea | Kind::Forgejo => refuse(400, "unauthorized_client", "invalid client secret"),
        };
    }
    let good = match get("grant_type") {
        "authorization_code" => get("code") == "good-code" && get("code_verifier").len() == 43,
        "refresh_token" => get("refresh_token") == "sealink-canary-refresh",
        _ => false,
    };
    if !good {
        return match kind {
            Kind::GitHub => refuse(200, "bad_verification_code", "incorrect or expired"),
            Kind::GitLab => refuse(400, "invalid_grant", "The provided authorization grant is invalid"),
            Kind::Gitea | Kind::Forgejo => refuse(400, "unauthorized_client", "client is not authorized"),
        };
    }
    let mut grant = json!({ "access_token": TOKEN, "token_type": "bearer", "scope": "repo,read:user" });
    if kind != Kind::GitHub {
        grant["refresh_token"] = json!("sealink-canary-refresh-2");
        grant["expires_in"] = json!(7_200);
        grant["scope"] = json!("api read_user");
    }
    json_reply(200, &grant)
}
