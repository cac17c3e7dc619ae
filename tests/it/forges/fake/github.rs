//! The world as GitHub Enterprise Server shows it.
use serde_json::{Value, json};

use super::{
    examples::{GITHUB, without},
    scene::{
        BRANCHES, End, FEATURE, KEYS, MAIN, PULLS, Person, Pull, Query, STRANGERS_KEY, is_fork, number,
        organizations, page, param, parts,
    },
};

/// The answer of a path below `/api/v3/`, unless there is none.
pub(super) fn answer(path: &str, query: &Query, who: &Person) -> Option<Value> {
    Some(match path {
        "meta" => GITHUB.plain("meta"),
        "user" => {
            let over = json!({
                "id": who.id, "login": who.login, "email": who.email(), "avatar_url": who.picture(),
                "html_url": page(who.login),
            });
            GITHUB.with("user", &over)
        }
        "user/emails" => {
            let email = |email: &str, primary: bool| {
                let over = json!({ "email": email, "primary": primary, "verified": true });
                GITHUB.with("emails", &over)
            };
            json!([email("old@forge.example", false), email("octo@forge.example", true)])
        }
        "user/keys" if !who.lists_keys => return None,
        // Everybody may read these, without their titles.
        "users/octo/keys" => json!([{ "id": 9, "key": STRANGERS_KEY }]),
        "users/renamed/keys" => KEYS.iter().map(|(id, _, key)| json!({ "id": id, "key": key })).collect(),
        "user/keys" => KEYS
            .iter()
            .map(|(id, title, key)| GITHUB.with("keys", &json!({ "id": id, "title": title, "key": key })))
            .collect(),
        "user/orgs" => {
            let over = json!({
                "id": 1, "login": "octo-org", "description": null, "avatar_url": "https://evil.example/x",
            });
            organizations(query, &GITHUB.with("organizations", &over))
        }
        "repos/octo/hello/pulls" => {
            let state = param(query, "state");
            let fits = PULLS.iter().filter(|one| state == "all" || state == one.state());
            fits.map(|one| pull("pulls", one)).collect()
        }
        "repos/octo/hello/branches" => BRANCHES.iter().map(|(name, sha)| listed_branch(name, sha)).collect(),
        "repos/octo/hello/git/ref/tags/v1" => {
            let over = json!({ "ref": "refs/tags/v1", "object": { "sha": MAIN, "type": "commit" } });
            GITHUB.with("reference", &over)
        }
        "repos/octo/hello/issues/1" => GITHUB.with("issue", &json!({ "number": 1, "title": "A bug" })),
        _ => return one(path),
    })
}

/// One thing of a repository.
fn one(path: &str) -> Option<Value> {
    let rest = path.strip_prefix("repos/")?;
    if ["octo/hello", "octo/empty", "fan/hello"].contains(&rest) {
        return Some(whole(rest));
    }
    let rest = rest.strip_prefix("octo/hello/")?;
    if let Some(name) = rest.strip_prefix("branches/") {
        let (name, sha) = BRANCHES.iter().find(|(found, _)| found.replace('/', "%2F") == name)?;
        return Some(GITHUB.with("branch", &json!({ "name": name, "commit": { "sha": sha } })));
    }
    if rest.strip_prefix("commits/") == Some(FEATURE) {
        return Some(GITHUB.with("commit", &json!({ "sha": FEATURE })));
    }
    let number = rest.strip_prefix("pulls/")?;
    PULLS.iter().find(|one| one.number.to_string() == number).map(|one| pull("pull", one))
}

/// What every view of a repository says of this one.
fn repository(full: &str) -> Value {
    let (owner, name) = parts(full);
    json!({
        "id": number(full), "name": name, "full_name": full, "html_url": page(full), "description": "",
        "fork": is_fork(full), "default_branch": "main", "owner": { "login": owner },
    })
}

/// A repository by itself. The example is a fork that was made from a template.
fn whole(full: &str) -> Value {
    let mut over = repository(full);
    let own = &["parent", "source", "template_repository"][..];
    if is_fork(full) {
        over["parent"] = repository("octo/hello");
        over["source"] = repository("octo/hello");
        return without(GITHUB.with("repository", &over), &own[2..]);
    }
    without(GITHUB.with("repository", &over), own)
}

/// The repositories of a list or of a search.
pub(super) fn repositories(path: &str, names: &[String]) -> Value {
    if path != "search/repositories" {
        return names.iter().map(|full| GITHUB.with("repositories", &repository(full))).collect();
    }
    let mut items = GITHUB.plain("repositories found");
    let one = items["items"][0].take();
    items["total_count"] = json!(names.len());
    let item = |full: &String| super::examples::changed(one.clone(), &repository(full));
    items["items"] = names.iter().map(item).collect();
    items
}

fn pull(example: &str, pull: &Pull) -> Value {
    let from = pull.from.map_or(Value::Null, repository);
    let merged = if pull.end == End::Merged { json!("2026-01-01T00:00:00Z") } else { Value::Null };
    let closed = if pull.end == End::Open { Value::Null } else { json!("2026-01-01T00:00:00Z") };
    let over = json!({
        "id": 100 + pull.number, "number": pull.number, "title": pull.title, "html_url": pull.page(),
        "state": pull.state(), "draft": false, "merged_at": merged, "closed_at": closed,
        "user": { "login": "octo" }, "head": { "ref": "feature/x", "sha": FEATURE, "repo": from },
        "base": { "ref": "main", "sha": MAIN, "repo": repository("octo/hello") },
    });
    GITHUB.with(example, &over)
}

pub(super) fn listed_branch(name: &str, sha: &str) -> Value {
    GITHUB.with("branches", &json!({ "name": name, "commit": { "sha": sha } }))
}
