//! The world as Gitea and Forgejo show it.
use serde_json::{Value, json};

use super::{
    Kind,
    definitions::{Definitions, FORGEJO, GITEA},
    scene::{
        BRANCHES, End, FEATURE, KEYS, MAIN, PULLS, Person, Pull, Query, is_fork, number, organizations, page,
        param, parts,
    },
    search::{MIRROR, description},
};

/// The definitions that the answers of this forge are made after.
pub(super) fn definitions(kind: Kind) -> &'static Definitions {
    if kind == Kind::Forgejo { &FORGEJO } else { &GITEA }
}

/// The answer of a path below `/api/v1/`, unless there is none.
pub(super) fn answer(kind: Kind, path: &str, query: &Query, who: &Person) -> Option<Value> {
    let of = definitions(kind);
    Some(match path {
        "version" => of.with("ServerVersion", &json!({ "version": "development" })),
        "user" => {
            // Older servers do not say the page, and what is said of the picture may be anything.
            let (picture, page) = if who.whole {
                (who.picture(), page(who.login))
            } else {
                ("javascript:x".to_owned(), String::new())
            };
            let over = json!({
                "id": who.id, "login": who.login, "email": who.email().unwrap_or_default(), "avatar_url": picture, "html_url": page,
            });
            of.with("User", &over)
        }
        "user/emails" => {
            let email = |email: &str, primary: bool| {
                of.with("Email", &json!({ "email": email, "primary": primary, "verified": true }))
            };
            json!([email("old@forge.example", false), email("octo@forge.example", true)])
        }
        "user/keys" => KEYS
            .iter()
            .map(|(id, title, key)| of.with("PublicKey", &json!({ "id": id, "title": title, "key": key })))
            .collect(),
        "user/orgs" => {
            let over = json!({
                "id": 1, "username": "octo-org", "name": "octo-org", "avatar_url": "https://evil.example/x",
            });
            organizations(query, &of.with("Organization", &over))
        }
        "users/octo" | "users/octo-org" => of.with("User", &json!({ "id": 1, "login": &path[6..] })),
        "repos/octo/hello" | "repos/octo/empty" => of.with("Repository", &repository(&path[6..])),
        "repos/fan/hello" => {
            let mut fork = repository("fan/hello");
            fork["parent"] = repository("octo/hello");
            of.with("Repository", &fork)
        }
        "repos/octo/hello/pulls" => {
            let state = param(query, "state");
            let fits = PULLS.iter().filter(|one| state == "all" || state == one.state());
            fits.map(|one| of.with("PullRequest", &pull(one))).collect()
        }
        "repos/octo/hello/branches" => BRANCHES.iter().map(|(name, sha)| branch(kind, name, sha)).collect(),
        "repos/octo/hello/tags/v1" => {
            of.with("Tag", &json!({ "name": "v1", "id": MAIN, "commit": { "sha": MAIN } }))
        }
        "repos/octo/hello/issues/1" => {
            of.with("Issue", &json!({ "number": 1, "title": "A bug", "state": "open" }))
        }
        _ => return one(kind, path.strip_prefix("repos/octo/hello/")?),
    })
}

/// One thing of `octo/hello`.
fn one(kind: Kind, path: &str) -> Option<Value> {
    if let Some(name) = path.strip_prefix("branches/") {
        let (name, sha) = BRANCHES.iter().find(|(found, _)| found.replace('/', "%2F") == name)?;
        return Some(branch(kind, name, sha));
    }
    let of = definitions(kind);
    if path.strip_prefix("git/commits/") == Some(FEATURE) {
        return Some(of.with("Commit", &json!({ "sha": FEATURE })));
    }
    let number = path.strip_prefix("pulls/")?;
    PULLS.iter().find(|one| one.number.to_string() == number).map(|one| of.with("PullRequest", &pull(one)))
}

/// What a search says of repositories.
pub(super) fn repositories(kind: Kind, names: &[String]) -> Value {
    let of = definitions(kind);
    let data = names.iter().map(|full| of.with("Repository", &repository(full)));
    of.with("SearchResults", &json!({ "ok": true, "data": data.collect::<Value>() }))
}

fn repository(full: &str) -> Value {
    let (owner, name) = parts(full);
    json!({
        "id": number(full), "name": name, "full_name": full, "html_url": page(full), "fork": is_fork(full),
        "default_branch": "main", "empty": full == "octo/empty", "owner": { "login": owner },
        "mirror": full == MIRROR, "description": description(full),
    })
}

fn pull(pull: &Pull) -> Value {
    let side = |branch: &str, sha: &str, full: Option<&str>| {
        let (repo, id) = full.map_or((Value::Null, 0), |full| (repository(full), number(full)));
        json!({ "label": branch, "ref": branch, "sha": sha, "repo": repo, "repo_id": id })
    };
    let when = |told: bool| if told { json!("2026-01-01T00:00:00Z") } else { Value::Null };
    json!({
        "id": 100 + pull.number, "number": pull.number, "title": pull.title, "html_url": pull.page(),
        "state": pull.state(), "merged": pull.end == End::Merged,
        "merged_at": when(pull.end == End::Merged), "closed_at": when(pull.end != End::Open), "user": { "login": "octo" },
        "head": side("feature/x", FEATURE, pull.from), "base": side("main", MAIN, Some("octo/hello")),
    })
}

pub(super) fn branch(kind: Kind, name: &str, sha: &str) -> Value {
    definitions(kind).with("Branch", &json!({ "name": name, "commit": { "id": sha } }))
}
