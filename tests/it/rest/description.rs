//! `/openapi.json` says of bodies what the server reads: these members, and no others.
use http::Method;
use serde_json::{Value, json};

use crate::support::TestServer;

/// A body that the description names: method, path, the name of its only member, and that one's members.
struct Body {
    method: Method,
    path: String,
    root: String,
    members: Vec<String>,
    required: Vec<String>,
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut texts: Vec<_> = values.map(str::to_owned).collect();
    texts.sort();
    texts
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    reference.map_or(schema, |pointer| document.pointer(pointer).expect("a schema"))
}

fn bodies(document: &Value) -> Vec<Body> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let outer = resolve(document, schema)["properties"].as_object().expect("an object");
            let [(root, inner)] = outer.iter().collect::<Vec<_>>()[..] else { panic!("{path}: {outer:?}") };
            let inner = resolve(document, inner);
            let members = inner["properties"].as_object().expect("members").keys().map(String::as_str);
            let required = inner["required"].as_array().expect("required").iter().filter_map(Value::as_str);
            found.push(Body {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.replace("{id}", "gitea"),
                root: root.clone(),
                members: texts(members),
                required: texts(required),
            });
        }
    }
    found
}

/// Every described member is read: what is no text is blamed on it. Every required one is missed. What is not described
/// changes nothing; that nothing else is read, every test of a debug build says where bodies are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn described_members_are_read_and_no_others() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let document = admin.rest(Method::GET, "/openapi.json", None).await.ok();
    let bodies = bodies(&document);
    let known: Vec<_> = bodies.iter().map(|body| (body.method.as_str(), body.members.join(" "))).collect();
    let expected = [
        ("POST", "content name".to_owned()),
        ("POST", "access_token scm_type url".to_owned()),
        ("PATCH", "access_token".to_owned()),
    ];
    assert_eq!(known, expected);
    for Body { method, path, root, members, required } in bodies {
        let send = async |members: Value| {
            let answer = admin.rest(method.clone(), &path, Some(&json!({ root.as_str(): members }))).await;
            assert_eq!(answer.status, 422, "{method} {path}: {answer:?}");
            answer.value()["errors"].clone()
        };
        for member in &members {
            for wrong in [json!(5), json!(true), json!(["x"]), json!({ "x": "x" })] {
                let errors = send(json!({ member.as_str(): wrong })).await;
                assert_eq!(errors, json!({ member.as_str(): ["must be a string"] }), "{path}");
            }
        }
        let missed = send(json!({})).await;
        let missed = texts(missed.as_object().expect("errors").keys().map(String::as_str));
        assert_eq!(missed, required, "{method} {path}");
        let more = json!({ "undescribed": { "x": [1] }, "id": 5, "owner": null });
        let unknown = texts(send(more).await.as_object().expect("errors").keys().map(String::as_str));
        assert_eq!(unknown, required, "{method} {path}");
    }
}
