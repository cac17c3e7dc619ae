//! The world as GitLab shows it.
use serde_json::{Value, json};

use super::{
    examples::GITLAB,
    scene::{
        BRANCHES, End, FEATURE, FORK, HELLO, KEYS, MAIN, PULLS, Person, Pull, Query, is_fork, number,
        organizations, page, param, parts,
    },
};

/// A repository with many forks, each of which has a merge request for it; fewer of these are open.
const POPULAR: u64 = 9;
const POPULAR_FORKS: u64 = 130;
const POPULAR_OPEN: u64 = 45;
const FIRST_FORK: u64 = 1_000;

/// Whether there is another page of merge requests.
pub(super) fn says_more(path: &str, query: &Query) -> bool {
    path == "projects/9/merge_requests" && param(query, "state") == "all" && param(query, "page") == "1"
}

fn popular(id: u64, full: &str) -> Value {
    let over = json!({ "id": id, "path": "popular", "path_with_namespace": full, "web_url": page(full) });
    GITLAB.with("project", &over)
}

fn from_fork(at: u64) -> Value {
    let over = json!({
        "id": at, "iid": at, "project_id": POPULAR, "title": "A change", "state": "opened",
        "target_project_id": POPULAR, "source_project_id": FIRST_FORK + at,
    });
    GITLAB.with("merge_request", &over)
}

/// The answer of a path below `/api/v4/`, unless there is none.
pub(super) fn answer(path: &str, query: &Query, who: &Person) -> Option<Value> {
    Some(match path {
        "user" => {
            let over = json!({
                "id": who.id, "username": who.login, "email": who.email(), "public_email": "",
                "commit_email": "octo@forge.example", "avatar_url": who.whole.then(|| who.picture()),
                "web_url": page(who.login),
            });
            GITLAB.with("user", &over)
        }
        "user/keys" => KEYS
            .iter()
            .map(|(id, title, key)| GITLAB.with("keys", &json!({ "id": id, "title": title, "key": key })))
            .collect(),
        "groups" => {
            let over = json!({
                "id": 1, "full_path": "octo-org", "path": "octo-org", "description": null,
                "avatar_url": "https://evil.example/x",
            });
            organizations(query, &GITLAB.with("groups", &over))
        }
        "projects/octo%2Fhello" => project("octo/hello"),
        "projects/octo%2Fempty" => project("octo/empty"),
        "projects/fan%2Fhello" | "projects/8" => project("fan/hello"),
        "groups/octo-org/projects" => json!([]),
        "users/octo/projects" => json!([project("octo/hello")]),
        "projects/octo%2Fpopular" => popular(POPULAR, "octo/popular"),
        "projects/9/merge_requests" => {
            let all = if param(query, "state") == "opened" { POPULAR_OPEN } else { POPULAR_FORKS };
            let page: u64 = param(query, "page").parse().ok()?;
            ((page - 1) * 100..all.min(page * 100)).map(from_fork).collect()
        }
        _ if path.starts_with("projects/1") => {
            let fork: u64 = path.strip_prefix("projects/")?.parse().ok()?;
            popular(fork, &format!("fan-{fork}/popular"))
        }
        "projects/7/merge_requests" => {
            let state = param(query, "state");
            let fits = PULLS.iter().filter(|one| state == "all" || state == ended(one.end));
            fits.map(merge_request).collect()
        }
        _ => return one(path.strip_prefix("projects/octo%2Fhello/")?),
    })
}

/// One thing of `octo/hello`.
fn one(path: &str) -> Option<Value> {
    let commit = |sha: &str| json!({ "id": sha, "short_id": &sha[..8] });
    Some(match path {
        "repository/branches" => BRANCHES.iter().map(|(name, sha)| branch(name, sha)).collect(),
        "repository/branches/main" => branch("main", MAIN),
        "repository/branches/feature%2Fx" => branch("feature/x", FEATURE),
        "repository/tags/v1" => {
            GITLAB.with("tag", &json!({ "name": "v1", "target": MAIN, "commit": commit(MAIN) }))
        }
        "issues/1" => GITLAB.with("issue", &json!({ "id": 99, "iid": 1, "title": "A bug" })),
        _ if path.strip_prefix("repository/commits/") == Some(FEATURE) => {
            GITLAB.with("commit", &commit(FEATURE))
        }
        _ => {
            let number = path.strip_prefix("merge_requests/")?;
            let found = PULLS.iter().find(|one| one.number.to_string() == number)?;
            let mut whole = merge_request(found);
            let Value::Object(own) = GITLAB.plain("merge_request's own") else { return None };
            whole.as_object_mut()?.extend(own);
            whole
        }
    })
}

pub(super) fn project(full: &str) -> Value {
    let (owner, name) = parts(full);
    let empty = full == "octo/empty";
    let over = json!({
        "id": number(full), "path": name, "path_with_namespace": full, "web_url": page(full), "description": null,
        "default_branch": if empty { Value::Null } else { json!("main") }, "empty_repo": empty,
        "namespace": { "path": owner, "full_path": owner },
    });
    let mut project = GITLAB.with("project", &over);
    // Others do not have the member.
    if is_fork(full) {
        let over = json!({ "id": HELLO, "path": "hello", "path_with_namespace": "octo/hello" });
        project["forked_from_project"] = GITLAB.with("forked_from_project", &over);
    }
    project
}

pub(super) fn branch(name: &str, sha: &str) -> Value {
    let over =
        json!({ "name": name, "default": name == "main", "commit": { "id": sha, "short_id": &sha[..8] } });
    GITLAB.with("branches", &over)
}

/// What became of it, as GitLab says it.
fn ended(end: End) -> &'static str {
    match end {
        End::Open => "opened",
        End::Merged => "merged",
        End::Closed => "closed",
    }
}

fn merge_request(pull: &Pull) -> Value {
    let over = json!({
        "id": 100 + pull.number, "iid": pull.number, "project_id": HELLO, "title": pull.title, "web_url": pull.page(),
        "state": ended(pull.end), "draft": false, "author": { "username": "octo" }, "sha": FEATURE,
        "source_branch": "feature/x", "target_branch": "main", "target_project_id": HELLO,
        "source_project_id": pull.from.map(|from| if is_fork(from) { FORK } else { HELLO }),
    });
    GITLAB.with("merge_request", &over)
}
