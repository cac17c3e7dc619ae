//! NUL in any text of any request is the caller's mistake, and never the store's to find: PostgreSQL takes none.
use serde_json::Value;

use super::{
    expected, is_stream, methods,
    requests::request,
    scene::{Cast, Scene},
};
use crate::support::{Actor, TestServer, on_both_stores};

/// The request once for each text in it, with a NUL in that one.
fn poisoned(request: &Value) -> Vec<Value> {
    match request {
        Value::String(text) => vec![Value::String(format!("{text}\0"))],
        Value::Array(elements) => {
            let with = |at: usize, element: Value| {
                let mut all = elements.clone();
                all[at] = element;
                Value::Array(all)
            };
            let each = elements.iter().enumerate();
            each.flat_map(|(at, one)| poisoned(one).into_iter().map(move |bad| with(at, bad))).collect()
        }
        Value::Object(members) => {
            let with = |name: &str, member: Value| {
                let mut all = members.clone();
                all.insert(name.to_owned(), member);
                Value::Object(all)
            };
            let each = members.iter();
            each.flat_map(|(name, one)| poisoned(one).into_iter().map(move |bad| with(name, bad))).collect()
        }
        _ => Vec::new(),
    }
}

/// Somebody who may call the method, by the table.
fn allowed<'a>(
    cast: &'a Cast,
    scene: &'a Scene,
    principals: &[String],
    cells: &[String],
) -> Option<&'a Actor> {
    let name = principals.iter().zip(cells).find(|(_, cell)| *cell == "OK").map(|(name, _)| name)?;
    Some(cast.get(name, scene))
}

async fn nul_is_never_an_internal_error(server: &TestServer) {
    let cast = Cast::new(server).await;
    let scene = cast.scene().await;
    let (principals, rows) = expected();
    let mut asked = 0;
    for (service, methods) in methods() {
        for method in methods.into_keys().filter(|method| !is_stream(&format!("/{method}"))) {
            let Some(actor) = allowed(&cast, &scene, &principals, &rows[&service][&method]) else { continue };
            let name = format!("{}/{method}", service.rsplit('.').next().unwrap_or_default());
            for body in poisoned(&request(&method, &scene)) {
                let answer = actor.call(&name, &body).await;
                assert_ne!(answer.code(), "INTERNAL", "{name} of {body}");
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "only {asked} texts");
}

on_both_stores!(nul_is_never_an_internal_error);
