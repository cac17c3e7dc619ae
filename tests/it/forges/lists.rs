//! What the fakes know for members' accounts: people, keys, and lists of more than one page.
use serde_json::{Value, json};

use super::fake::{Kind, Query, param};

/// Another token of `octo`, and one of somebody else.
pub(crate) const NEXT_TOKEN: &str = "sealink-canary-next-token";
pub(crate) const OTHER_TOKEN: &str = "sealink-canary-other-token";
/// The keys of `octo`, of which the last cannot be read.
const KEYS: [(u64, &str, &str); 3] = [
    (
        1,
        "work laptop",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g octo@forge",
    ),
    (2, "", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB"),
    (3, "odd", "ssh-rsa nonsense"),
];
/// How many branches `octo/many` has.
const MANY: usize = 1_050;

/// Whom a token belongs to.
fn person(token: &str) -> (u64, &'static str) {
    if token.contains(OTHER_TOKEN) { (2, "fan") } else { (1, "octo") }
}

/// A person under another name, as any of the forges shows one.
pub(super) fn renamed(id: u64) -> Value {
    let page = "https://forge.example/renamed";
    json!({
        "id": id, "login": "renamed", "username": "renamed", "email": "renamed@forge.example",
        "avatar_url": format!("{page}.png"), "html_url": page, "web_url": page,
    })
}

/// What this module knows of a path; `who` is the header with the token.
pub(super) fn list(kind: Kind, path: &str, query: &Query, who: &str) -> Option<Value> {
    let (id, login) = person(who);
    let page = format!("https://forge.example/{login}");
    let picture = format!("https://forge.example/{login}.png");
    Some(match (kind, path) {
        (Kind::GitHub, "user") => {
            json!({ "id": id, "login": login, "email": null, "avatar_url": picture, "html_url": page })
        }
        (Kind::GitLab, "user") => json!({
            "id": id, "username": login, "email": null, "public_email": "", "commit_email": "octo@forge.example",
            "avatar_url": null, "web_url": page,
        }),
        // Forgejo and older servers do not say the page.
        (Kind::Gitea, "user") => {
            json!({ "id": id, "login": login, "email": "octo@forge.example", "avatar_url": "javascript:x" })
        }
        (Kind::GitHub, "user/emails") => json!([
            { "email": "old@forge.example", "primary": false, "verified": true },
            { "email": "octo@forge.example", "primary": true, "verified": true },
        ]),
        (_, "user/keys") => {
            let key = |(id, title, key): &(u64, &str, &str)| json!({ "id": id, "title": title, "key": key });
            json!(KEYS.iter().map(key).collect::<Vec<_>>())
        }
        (Kind::Gitea, "users/octo" | "users/octo-org") => json!({ "id": 1 }),
        (Kind::GitHub | Kind::Gitea, "repos/octo/hello/pulls") => json!(pulls(param(query, "state"))),
        (Kind::GitLab, "projects/7/merge_requests") => json!(merge_requests(param(query, "state"))),
        (Kind::GitHub | Kind::Gitea, "repos/octo/hello/branches")
        | (Kind::GitLab, "projects/octo%2Fhello/repository/branches") => {
            json!([{ "name": "main" }, { "name": "feature/x" }])
        }
        (Kind::GitLab, "groups/octo-org/projects") => json!([]),
        (Kind::GitLab, "users/octo/projects") => json!([super::fake::project("octo/hello")]),
        _ => return None,
    })
}

fn pulls(state: &str) -> Vec<Value> {
    let pull = |number: u64, found: &str, title: &str, repo: Value| {
        (found == state || state == "all").then(|| {
            let page = format!("https://forge.example/octo/hello/pulls/{number}");
            json!({
                "id": 100 + number, "number": number, "title": title, "html_url": page, "state": found,
                "head": { "label": "x", "ref": "feature/x", "sha": "b", "repo": repo },
                "base": { "label": "x", "ref": "main", "sha": "a", "repo": {} },
            })
        })
    };
    let repo = |name: &str| json!({ "full_name": name, "html_url": format!("https://forge.example/{name}") });
    let all = [
        pull(2, "open", "A change", repo("octo/hello")),
        pull(3, "closed", "A fork's change", repo("fan/hello")),
        pull(4, "closed", "An orphan", Value::Null),
    ];
    all.into_iter().flatten().collect()
}

fn merge_requests(state: &str) -> Vec<Value> {
    let request = |number: u64, found: &str, title: &str, source: Value| {
        (found == state || state == "all").then(|| {
            let page = format!("https://forge.example/octo/hello/pulls/{number}");
            json!({
                "id": 100 + number, "iid": number, "title": title, "web_url": page, "state": found,
                "source_project_id": source, "target_project_id": 7,
            })
        })
    };
    let all = [
        request(2, "opened", "A change", json!(7)),
        request(3, "merged", "A fork's change", json!(8)),
        request(4, "closed", "An orphan", Value::Null),
    ];
    all.into_iter().flatten().collect()
}

/// One page of the branches of `octo/many`, and whether there is another.
pub(super) fn many(path: &str, query: &Query) -> Option<(Value, bool)> {
    if !matches!(path, "repos/octo/many/branches" | "projects/octo%2Fmany/repository/branches") {
        return None;
    }
    let number = |name| param(query, name).parse::<usize>().ok();
    let size = number("per_page").or(number("limit"))?;
    let from = (number("page")? - 1) * size;
    let names: Vec<_> =
        (from..MANY.min(from + size)).map(|at| json!({ "name": format!("branch-{at}") })).collect();
    Some((json!(names), from + size < MANY))
}
