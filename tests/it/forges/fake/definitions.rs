//! Payloads after the definitions that Gitea and Forgejo publish, and whether a payload is one.
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// The answers of the routes that Sealink asks, and the definitions they are made of.
pub(crate) struct Definitions {
    answers: Map<String, Value>,
    definitions: Map<String, Value>,
}

/// Gitea's; `tests/forge/payloads` took them from its sources.
pub(crate) static GITEA: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::read(include_str!("../../../fixtures/forges/gitea.json")));
/// Forgejo's, likewise.
pub(super) static FORGEJO: LazyLock<Definitions> =
    LazyLock::new(|| Definitions::read(include_str!("../../../fixtures/forges/forgejo.json")));

impl Definitions {
    fn read(text: &str) -> Self {
        let mut fixture: Value = serde_json::from_str(text).expect("a fixture");
        let mut table = |name: &str| match fixture[name].take() {
            Value::Object(entries) => entries,
            _ => panic!("no {name}"),
        };
        Self { answers: table("answers"), definitions: table("definitions") }
    }

    /// A whole object, as a server written in Go sends it: empty but for these members.
    pub(super) fn with(&self, name: &str, over: &Value) -> Value {
        let members = self.definition(name)["properties"].as_object().expect("an object's definition");
        let over = over.as_object().expect("members");
        let unknown: Vec<_> = over.keys().filter(|member| !members.contains_key(*member)).collect();
        assert!(unknown.is_empty(), "{name} has no {unknown:?}");
        let member = |(member, schema): (&String, &Value)| {
            let value = over.get(member).map_or_else(|| self.empty(schema), |over| self.given(schema, over));
            (member.clone(), value)
        };
        Value::Object(members.iter().map(member).collect())
    }

    fn definition(&self, name: &str) -> &Value {
        self.definitions.get(name).unwrap_or_else(|| panic!("no definition {name}"))
    }

    /// The name and the definition that a schema refers to.
    fn referred<'a>(&'a self, schema: &'a Value) -> Option<(&'a str, &'a Value)> {
        let name = schema["$ref"].as_str()?.strip_prefix("#/definitions/")?;
        Some((name, self.definition(name)))
    }

    fn given(&self, schema: &Value, over: &Value) -> Value {
        match self.referred(schema) {
            Some((name, definition)) if over.is_object() && definition["properties"].is_object() => {
                self.with(name, over)
            }
            _ => over.clone(),
        }
    }

    fn empty(&self, schema: &Value) -> Value {
        match (schema["type"].as_str(), self.referred(schema)) {
            (_, Some((_, definition))) if definition["type"] == "object" => Value::Null,
            (_, Some((_, definition))) => self.empty(definition),
            (Some("string"), _) if schema["format"] == "date-time" => json!("2026-01-01T00:00:00Z"),
            (Some("string"), _) => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("")),
            (Some("integer" | "number"), _) => json!(0),
            (Some("boolean"), _) => json!(false),
            (Some("array"), _) => json!([]),
            _ => json!({}),
        }
    }

    /// The template of a route, such as `/repos/{owner}/{repo}`, that a path below the API's base is one of.
    fn answer(&self, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (parts, wanted) = (path.split('/'), template.trim_start_matches('/').split('/'));
            parts.clone().count() == wanted.clone().count()
                && parts.zip(wanted).all(|(part, wanted)| wanted.starts_with('{') || wanted == part)
        };
        // A literal part wins over a variable.
        let found = self.answers.iter().filter(|(template, _)| fits(template));
        found.min_by_key(|(template, _)| template.matches('{').count()).map(|(_, schema)| schema)
    }

    /// What is wrong with `body` as the answer of `path`; nothing, if it is what the forge says it sends.
    pub(crate) fn wrong(&self, path: &str, body: &Value) -> Option<String> {
        let Some(schema) = self.answer(path) else { return Some(format!("{path} is no route of the forge")) };
        self.misfit(schema, body, path)
    }

    fn misfit(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some((_, definition)) = self.referred(schema) {
            return self.misfit(definition, value, at);
        }
        let kind = schema["type"].as_str().unwrap_or("object");
        // Go sends nil pointers and slices as null; the definitions do not say which members are such. Among texts it is one.
        let nullable = matches!(kind, "object" | "array")
            || schema["format"] == "date-time"
            || at.ends_with(".merge_commit_sha");
        match (kind, value) {
            (_, Value::Null) if nullable => None,
            ("object", Value::Object(members)) => members.iter().find_map(|(name, value)| {
                let at = format!("{at}.{name}");
                match schema["properties"].get(name).or(schema.get("additionalProperties")) {
                    Some(schema) => self.misfit(schema, value, &at),
                    None => Some(format!("{at} is in no definition")),
                }
            }),
            ("array", Value::Array(items)) => {
                items.iter().find_map(|item| self.misfit(&schema["items"], item, &format!("{at}[]")))
            }
            ("string", Value::String(text)) => match schema["enum"].as_array() {
                Some(values) if !values.contains(value) => Some(format!("{at} is no {values:?}: {text}")),
                _ => None,
            },
            ("integer", Value::Number(number)) if !number.is_f64() => None,
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => None,
            _ => Some(format!("{at} is no {kind}")),
        }
    }
}

/// The check can fail: each of these is one thing that no Gitea sends.
#[test]
fn what_gitea_does_not_send_is_told() {
    let good = GITEA.with("User", &json!({ "id": 1, "login": "octo" }));
    assert_eq!(GITEA.wrong("user", &good), None);
    assert_eq!(GITEA.wrong("user/keys", &Value::Null), None, "a list without items");
    let with = |name: &str, value: Value| {
        let mut payload = good.clone();
        payload[name] = value;
        payload
    };
    for (path, body) in [
        ("user", with("username_", json!("octo"))),
        ("user", with("id", json!("1"))),
        ("user", with("id", json!(1.5))),
        ("user", with("login", Value::Null)),
        ("user", with("is_admin", json!(0))),
        ("user", with("created", json!(0))),
        ("user", json!([])),
        ("user/keys", json!({})),
        ("user/keys", json!([{ "key": 5 }])),
        ("user/followers", json!([])),
        ("repos/octo/hello/pulls/2", json!({ "head": { "repo": { "full_name": 5 } } })),
    ] {
        assert!(GITEA.wrong(path, &body).is_some(), "{path} {body}");
    }
    assert!(FORGEJO.wrong("repos/octo/hello", &json!({ "object_format_name": "md5" })).is_some());
}
