//! `/docs`: the REST API's description for people, made of what `/openapi.json` says. Plain HTML and one style sheet,
//! both from this binary: no script runs, and nothing is loaded from elsewhere.
use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Response, header},
    routing::get,
};
use serde_json::{Map, Value};

use super::{Rest, RestResult, openapi::description};
use crate::{
    api::pages::escape,
    error::{Error, Result},
};

const STYLE: &str = include_str!("docs.css");

const SAFE: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-cache"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The routes; no token is needed.
pub(super) fn routes() -> Router<Rest> {
    Router::new().route("/docs", get(page)).route("/docs/style.css", get(style))
}

async fn page() -> RestResult {
    static PAGE: LazyLock<Result<String>> = LazyLock::new(|| description().map(|document| render(&document)));
    let page = PAGE.as_ref().map_err(Error::share)?;
    Ok(answer("text/html; charset=utf-8", page))
}

async fn style() -> Response<Body> {
    answer("text/css; charset=utf-8", STYLE)
}

fn answer(kind: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in SAFE {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The whole page. Every text of the description is escaped, and absent ones are empty.
fn render(document: &Value) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>REST API - Sealink</title>\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><main><h1>REST API</h1>",
    );
    let _ = write!(
        html,
        "<p>{} For programs: <a href=\"/openapi.json\">openapi.json</a>.</p>\
         <p>Every route but those that say so wants <code>Authorization: Bearer</code> and an API token, or the web token \
         that one is exchanged for. Errors are JSON, as <a href=\"#Problem\">Problem</a> says.</p>",
        marked(&document["info"]["description"]),
    );
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            route(&mut html, path, method, operation);
        }
    }
    html.push_str("<h2>Types</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        object(&mut html, name, schema);
    }
    html.push_str("</main></body></html>\n");
    html
}

fn route(html: &mut String, path: &str, method: &str, operation: &Value) {
    let method = method.to_ascii_uppercase();
    let _ = write!(html, "<section><h3><b>{}</b> <code>{}</code></h3>", escape(&method), escape(path));
    let _ = write!(html, "<p>{}", marked(&operation["summary"]));
    match operation["security"][0].as_object().and_then(|schemes| schemes.keys().next()) {
        None => html.push_str(" No token is needed."),
        Some(scheme) if scheme == "api_token" => {
            html.push_str(" HTTP Basic: no user, and an API token as the password.");
        }
        Some(_) => {}
    }
    let _ = write!(html, "</p><p>{}</p>", marked(&operation["description"]));
    html.push_str("<table><tbody>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let place = parameter["in"].as_str().unwrap_or_default();
        let name = parameter["name"].as_str().unwrap_or_default();
        row(
            html,
            &escape(place),
            &[&code(name), &kind(&parameter["schema"]), &marked(&parameter["description"])],
        );
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        row(html, "body", &[&kind(body)]);
    }
    for (status, response) in members(&operation["responses"]) {
        let schema = members(&response["content"]).next().map(|(_, content)| kind(&content["schema"]));
        let text = schema.unwrap_or_else(|| "nothing".to_owned());
        row(html, &escape(status), &[&text, &marked(&response["description"])]);
    }
    html.push_str("</tbody></table></section>");
}

fn object(html: &mut String, name: &str, schema: &Value) {
    let _ = write!(html, "<section id=\"{0}\"><h3>{0}</h3>", escape(name));
    let _ = write!(html, "<p>{}</p><table><tbody>", marked(&schema["description"]));
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    for (member, of) in members(&schema["properties"]) {
        let optional = if required.iter().any(|name| *name == member) { "" } else { "optional" };
        row(html, &code(member), &[&kind(of), optional, &marked(&of["description"])]);
    }
    html.push_str("</tbody></table></section>");
}

fn row(html: &mut String, head: &str, cells: &[&str]) {
    let _ = write!(html, "<tr><th>{head}</th><td>{}</td></tr>", cells.join(" "));
}

/// A type in words, with a link to what has a name.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escape(name));
    }
    if schema["items"].is_object() {
        return format!("array of {}", kind(&schema["items"]));
    }
    let either = ["oneOf", "anyOf"].iter().find_map(|name| schema[*name].as_array());
    if let Some(either) = either {
        return either.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(name) => escape(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(escape).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Text of which some stands between back-quotes.
fn marked(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    text.split('`')
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 { code(part) } else { escape(part) })
        .collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_the_description_stays_text() {
        let evil = "<script>`<b>`";
        let document = json!({
            "info": { "description": evil },
            "paths": { evil: { "get": {
                "summary": evil, "description": evil,
                "parameters": [{ "name": evil, "in": evil, "schema": { "type": evil } }],
                "responses": { evil: { "description": evil } },
            } } },
            "components": { "schemas": { evil: {
                "description": evil, "properties": { evil: { "$ref": evil, "description": evil } },
            } } },
        });
        let html = render(&document);
        assert!(!html.contains("<script") && !html.contains("<b>`"), "{html}");
        assert!(html.contains("&lt;script&gt;<code>&lt;b&gt;</code>"), "{html}");
    }
}
