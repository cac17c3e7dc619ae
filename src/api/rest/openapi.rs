//! `/openapi.json`: the REST API's description (`OpenAPI` 3.1), made of the handlers' own.
use std::sync::LazyLock;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, header},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    Rest, RestResult, accounts, forge, keys, patterns::Patterns, response::JSON, statuses::Statuses, users,
};
use crate::error::{Error, Result};

#[derive(OpenApi)]
#[openapi(
    info(title = "Sealink", description = "Users' accounts at forges, and their SSH keys."),
    paths(
        users::exchange,
        users::myself,
        users::regions,
        keys::list,
        keys::show,
        keys::create,
        keys::delete,
        accounts::list,
        accounts::show,
        accounts::create,
        accounts::replace_token,
        accounts::delete,
        forge::import_keys,
        forge::search_repos,
        forge::orgs,
        forge::search_pull_requests,
        forge::branches,
    ),
    modifiers(&Schemes, &Names, &Statuses, &Patterns),
)]
struct Document;

/// How callers say who they are.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut Description) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in [("bearer", HttpAuthScheme::Bearer), ("api_token", HttpAuthScheme::Basic)] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
        }
    }
}

/// What generated clients call the operations: the handlers' names are good for one module only.
struct Names;

impl Modify for Names {
    fn modify(&self, document: &mut Description) {
        for (path, item) in &mut document.paths.paths {
            let path = path.trim_start_matches("/v1/").replace(['{', '}'], "").replace('/', "_");
            let operations = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(format!("{method}_{path}"));
                }
            }
        }
    }
}

/// The route; no token is needed.
pub(super) fn routes() -> Router<Rest> {
    Router::new().route("/openapi.json", get(describe))
}

/// The description as JSON, made once: anybody may ask for it, as often as they like.
static DESCRIPTION: LazyLock<Result<Bytes>> =
    LazyLock::new(|| serde_json::to_vec(&Document::openapi()).map(Bytes::from).map_err(Error::internal));

/// What `/openapi.json` says, for those who make something else of it.
pub(super) fn description() -> Result<serde_json::Value> {
    let json = DESCRIPTION.as_ref().map_err(Error::share)?;
    serde_json::from_slice(json).map_err(Error::internal)
}

async fn describe() -> RestResult {
    let json = DESCRIPTION.as_ref().map_err(Error::share)?;
    let mut response = Response::new(Body::from(json.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Besides the statuses of its own: those of all, of changes, and of bodies.
    #[test]
    fn every_operation_says_which_statuses_it_answers() {
        let document = description().unwrap();
        let mut bodies = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let mut expected = vec!["500", "503"];
                if method != "get" {
                    expected.push("429");
                }
                if operation["requestBody"].is_object() {
                    expected.extend(["400", "408", "413", "415", "422"]);
                    bodies += 1;
                }
                if operation["security"].is_array() {
                    expected.push("401");
                }
                for status in expected {
                    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
                    assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{method} {path} {status}");
                }
            }
        }
        assert_eq!(bodies, 3);
    }

    #[test]
    fn the_description_says_what_texts_look_like() {
        let document = description().unwrap();
        let pattern =
            |pointer: &str| document.pointer(pointer).and_then(|one| one["pattern"].as_str()).unwrap();
        let types = "github|github-enterprise|gitlab|gitlab-self-hosted|gitea|forgejo";
        let scm_type = pattern("/components/schemas/NewIntegration/properties/scm_type");
        assert_eq!(scm_type, format!("^({types})$"));
        let id = pattern("/paths/~1v1~1scm_integrations~1{id}/get/parameters/0/schema");
        assert!(id.starts_with(&format!("^({types}|[0-9a-f")), "{id}");
        let key = pattern("/paths/~1v1~1keys/post/parameters/0/schema");
        assert_eq!(key, "^[!-~]([ -~]{0,253}[!-~])?$");
        assert!(pattern("/components/schemas/NewKey/properties/name").len() > 20);
    }
}
