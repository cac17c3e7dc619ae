//! What the fakes know, whichever forge they are.
use serde_json::{Value, json};

use super::Fault;

/// The tokens of `octo`, and one of somebody else.
pub(crate) const TOKEN: &str = "sealink-canary-token";
pub(crate) const NEXT_TOKEN: &str = "sealink-canary-next-token";
pub(crate) const OTHER_TOKEN: &str = "sealink-canary-other-token";

/// The commits of the two branches.
pub(super) const MAIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const FEATURE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(super) const BRANCHES: [(&str, &str); 2] = [("main", MAIN), ("feature/x", FEATURE)];
/// The keys of `octo`, of which the last cannot be read.
pub(super) const KEYS: [(u64, &str, &str); 3] = [
    (
        1,
        "work laptop",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g octo@forge",
    ),
    (2, "", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB"),
    (3, "odd", "ssh-rsa nonsense"),
];
/// The key of whoever took over the name `octo`.
pub(super) const STRANGERS_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKD";
/// The number of `octo/hello` and of its fork `fan/hello`.
pub(super) const HELLO: u64 = 7;
pub(super) const FORK: u64 = 8;
/// Repositories with many branches: how many, and how many of them a page holds at most.
const MANY: [(&str, usize, usize); 2] = [("octo/many", 1_050, 100), ("octo/short", 500, 20)];

/// A pull request of `octo/hello` from `feature/x` to `main`.
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) title: &'static str,
    pub(super) end: End,
    /// Where it comes from, unless that is gone.
    pub(super) from: Option<&'static str>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Merged,
    Closed,
}

pub(super) const PULLS: [Pull; 3] = [
    Pull { number: 2, title: "A change", end: End::Open, from: Some("octo/hello") },
    Pull { number: 3, title: "A fork's change", end: End::Merged, from: Some("fan/hello") },
    Pull { number: 4, title: "An orphan", end: End::Closed, from: None },
];

impl Pull {
    pub(super) fn page(&self) -> String {
        // What a forge says of a page may be anything.
        if self.number == 4 {
            return "javascript:pull".to_owned();
        }
        format!("https://forge.example/octo/hello/pulls/{}", self.number)
    }

    /// `open`, or `closed` for both ends, as GitHub and Gitea say it.
    pub(super) fn state(&self) -> &'static str {
        if self.end == End::Open { "open" } else { "closed" }
    }
}

pub(super) type Query = [(String, String)];

pub(super) fn param<'a>(query: &'a Query, name: &str) -> &'a str {
    query.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

/// Somebody at the forge.
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) login: &'static str,
    /// Whether the forge says all of the profile; else what is missing has to be found elsewhere.
    pub(super) whole: bool,
    /// Whether the token may list its owner's keys.
    pub(super) lists_keys: bool,
}

/// Whom a token belongs to.
pub(super) fn person(token: &str, fault: Fault) -> Person {
    let (id, login, whole) = match fault {
        Fault::Renamed | Fault::TakenOver => (1, "renamed", true),
        Fault::Replaced => (2, "renamed", true),
        _ if token == OTHER_TOKEN => (2, "fan", false),
        _ => (1, "octo", false),
    };
    Person { id, login, whole, lists_keys: fault != Fault::TakenOver }
}

impl Person {
    /// The address, where the forge says the whole profile.
    pub(super) fn email(&self) -> Option<String> {
        self.whole.then(|| format!("{}@forge.example", self.login))
    }

    pub(super) fn picture(&self) -> String {
        format!("{}.png", page(self.login))
    }
}

/// The page of a person or a repository.
pub(super) fn page(name: &str) -> String {
    if name == "octo/empty" {
        return "javascript:repository".to_owned();
    }
    format!("https://forge.example/{name}")
}

/// Owner and name.
pub(super) fn parts(full: &str) -> (&str, &str) {
    full.split_once('/').unwrap_or((full, ""))
}

pub(super) fn is_fork(full: &str) -> bool {
    full.starts_with("fan/")
}

/// The number of a repository.
pub(super) fn number(full: &str) -> u64 {
    if is_fork(full) { FORK } else { HELLO }
}

/// The only organization stands on the first page.
pub(super) fn organizations(query: &Query, one: &Value) -> Value {
    if param(query, "page") == "1" { json!([one]) } else { json!([]) }
}

/// One page of the names of the branches of a repository that has many, and whether there is another.
pub(super) fn many(path: &str, query: &Query) -> Option<(Vec<String>, bool)> {
    let of = |full: &str| {
        let encoded = full.replace('/', "%2F");
        path == format!("repos/{full}/branches") || path == format!("projects/{encoded}/repository/branches")
    };
    let (_, all, longest) = MANY.into_iter().find(|(full, ..)| of(full))?;
    let number = |name| param(query, name).parse::<usize>().ok();
    let size = number("per_page").or(number("limit"))?.min(longest);
    let from = (number("page")? - 1) * size;
    let names = (from..all.min(from + size)).map(|at| format!("branch-{at}")).collect();
    Some((names, from + size < all))
}
