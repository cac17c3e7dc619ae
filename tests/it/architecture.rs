//! The arrows of docs/architecture.md, read from the source, so that they stay true.
use std::{collections::BTreeSet, path::Path};

use crate::source::{condensed, sources};

/// A layer and what it must not name: modules of the crate, or crates.
const FORBIDDEN: [(&str, &[&str]); 22] = [
    (
        "agent",
        &[
            "api", "at_rest", "cli", "config", "listener", "rpc", "server", "service", "store", "sqlx",
            "tonic", "axum", "reqwest",
        ],
    ),
    (
        "client",
        &[
            "agent", "api", "at_rest", "cli", "config", "domain", "listener", "rpc", "scm", "seal", "server",
            "service", "store", "sqlx", "axum",
        ],
    ),
    ("server", &["agent", "cli", "client", "sqlx", "tonic", "axum", "reqwest"]),
    (
        "data_dir",
        &[
            "agent", "api", "cli", "client", "config", "listener", "pb", "rpc", "scm", "server", "store",
            "sqlx", "tonic", "axum",
        ],
    ),
    (
        "config",
        &[
            "agent", "api", "at_rest", "cli", "client", "listener", "pb", "rpc", "seal", "server", "service",
            "sqlx", "tonic", "axum", "reqwest",
        ],
    ),
    (
        "telemetry",
        &[
            "agent", "api", "at_rest", "cli", "client", "domain", "listener", "pb", "rpc", "scm", "seal",
            "server", "service", "store", "sqlx", "tonic", "axum", "reqwest",
        ],
    ),
    ("api", &["agent", "at_rest", "cli", "client", "config", "scm", "server", "store", "sqlx", "reqwest"]),
    (
        "service",
        &[
            "agent", "api", "cli", "client", "config", "listener", "pb", "rpc", "server", "wkt", "sqlx",
            "prost", "tonic", "axum", "reqwest",
        ],
    ),
    (
        "store",
        &[
            "agent", "api", "at_rest", "cli", "client", "config", "listener", "pb", "rpc", "scm", "seal",
            "server", "service", "wkt", "tonic", "axum", "reqwest",
        ],
    ),
    (
        "scm",
        &[
            "agent", "api", "at_rest", "cli", "client", "config", "listener", "pb", "rpc", "seal", "server",
            "service", "store", "wkt", "sqlx", "tonic", "axum",
        ],
    ),
    (
        "seal",
        &[
            "agent", "api", "at_rest", "cli", "client", "config", "listener", "pb", "rpc", "scm", "server",
            "service", "store", "wkt", "sqlx", "tonic", "axum", "reqwest",
        ],
    ),
    (
        "at_rest",
        &[
            "agent", "api", "cli", "client", "config", "listener", "pb", "rpc", "scm", "server", "service",
            "store", "wkt", "sqlx", "tonic", "axum", "reqwest",
        ],
    ),
    (
        "domain",
        &[
            "agent", "api", "at_rest", "cli", "client", "config", "listener", "pb", "rpc", "scm", "seal",
            "server", "service", "store", "wkt", "prost", "tonic", "axum", "reqwest", "tokio",
        ],
    ),
    ("rpc", &[NOTHING_OF_OURS, "sqlx", "reqwest"]),
    ("listener", &[NOTHING_OF_OURS, "sqlx", "tonic", "reqwest"]),
    ("clock", &[NOTHING_OF_OURS, "prost", "tonic", "axum", "reqwest", "tokio"]),
    ("error", &[NOTHING_OF_OURS, "sqlx", "prost", "axum", "reqwest", "tokio"]),
    ("harden", &[NOTHING_OF_OURS]),
    ("private_file", &[NOTHING_OF_OURS]),
    ("trim", &[NOTHING_OF_OURS]),
    ("wkt", &[NOTHING_OF_OURS]),
    ("zero_alloc", &[NOTHING_OF_OURS]),
];

/// Stands for every module of the crate but the one that says it.
const NOTHING_OF_OURS: &str = "nothing of ours";

/// Modules that may name any other: what puts everything together, and generated code.
const FREE: [&str; 4] = ["cli", "lib", "main", "pb"];

/// The longest file there may be, in lines; one that comes near it wants to be two.
const LINES: usize = 500;

#[test]
fn arrows_point_down() {
    let mut seen = BTreeSet::new();
    for (path, text) in sources("src") {
        let module = module(&path);
        if FREE.contains(&module.as_str()) {
            continue;
        }
        let row = FORBIDDEN.iter().find(|(layer, _)| *layer == module);
        let (layer, forbidden) = row.unwrap_or_else(|| panic!("{module} has no row: what may it not name?"));
        seen.insert(*layer);
        let code = condensed(&text);
        let names = names(&code);
        let wrong: Vec<_> = forbidden
            .iter()
            .flat_map(|name| if *name == NOTHING_OF_OURS { others(layer) } else { vec![*name] })
            .filter(|name| names.contains(name))
            .collect();
        assert!(wrong.is_empty(), "{} names {wrong:?}", path.display());
    }
    assert_eq!(seen.len(), FORBIDDEN.len(), "the scan sees only {seen:?}");
}

/// Whoever opens a connection of its own goes around the policy of addresses. What can open one, and where it is named:
/// the client of forges, the client of our own API, and the listener, which takes connections.
#[test]
fn only_the_policed_client_opens_connections_to_forges() {
    const DIALLERS: [(&str, &[&str]); 7] = [
        ("reqwest", &["client/mod.rs", "client/stream.rs", "scm/egress/resolver.rs", "scm/http.rs"]),
        ("TcpStream", &["listener.rs", "listener/connection.rs"]),
        ("TcpSocket", &[]),
        ("UdpSocket", &["scm/egress/own.rs", "scm/egress/resolver.rs"]),
        ("UnixStream", &[]),
        ("ToSocketAddrs", &[]),
        ("lookup_host", &["scm/egress/resolver.rs"]),
    ];
    let sources: Vec<_> = sources("src").into_iter().map(|(path, text)| (path, condensed(&text))).collect();
    for (dialler, expected) in DIALLERS {
        let naming = sources.iter().filter(|(_, code)| code.contains(dialler));
        let found: BTreeSet<_> = naming
            .map(|(path, _)| path.strip_prefix("src").expect("below src").display().to_string())
            .collect();
        let expected = expected.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(found, expected, "{dialler}");
    }
}

/// Only the conformance suite's server shows callers the texts of what is unexpected.
#[test]
fn the_server_exposes_no_internal_text() {
    let naming: BTreeSet<_> = sources("src")
        .into_iter()
        .filter(|(_, text)| condensed(text).contains("expose_internal"))
        .map(|(path, _)| module(&path))
        .collect();
    assert_eq!(naming, BTreeSet::from(["rpc".to_owned()]));
}

/// The module of the crate that a file belongs to: `store` of `src/store/tx.rs`, `clock` of `src/clock.rs`.
fn module(path: &Path) -> String {
    let below = path.strip_prefix("src").expect("below src");
    let first = below.components().next().expect("a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Every module with a row but `layer`.
fn others(layer: &str) -> Vec<&'static str> {
    FORBIDDEN.iter().map(|(other, _)| *other).filter(|other| *other != layer).chain(["cli", "pb"]).collect()
}

#[test]
fn files_stay_short() {
    let too_long: Vec<_> = ["src", "build", "tests/it"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.lines().count() > LINES)
        .map(|(path, _)| path)
        .collect();
    assert!(too_long.is_empty(), "longer than {LINES} lines: {too_long:?}");
}

/// The first name after every `crate::`, also within a group, and every crate at the head of a path: a name
/// that is no module of ours, because within a group such as `hyper::{server::conn}` those mean another thing.
fn names(code: &str) -> BTreeSet<&str> {
    let (mut names, mut crates) = (BTreeSet::new(), BTreeSet::new());
    for (at, separator) in code.match_indices("::") {
        let before = &code[..at];
        let word = before.rfind(|letter: char| !in_word(letter)).map_or(before, |end| &before[end + 1..]);
        let after = &code[at + separator.len()..];
        if word == "crate" {
            names.extend(heads(after));
        } else if !before[..before.len() - word.len()].ends_with("::") {
            crates.insert(word);
        }
    }
    let ours = |name: &&str| FORBIDDEN.iter().any(|(layer, _)| layer == name) || FREE.contains(name);
    names.extend(crates.into_iter().filter(|name| !ours(name)));
    names
}

/// The heads of what follows `crate::`: of one path, or of each in a group.
fn heads(after: &str) -> Vec<&str> {
    let head = |path: &'_ str| path.find(|letter| !in_word(letter)).unwrap_or(path.len());
    let Some(group) = after.strip_prefix('{') else {
        return vec![&after[..head(after)]];
    };
    let (mut depth, mut found, mut start) = (0_usize, Vec::new(), true);
    for (at, letter) in group.char_indices() {
        if start && depth == 0 && in_word(letter) {
            found.push(&group[at..at + head(&group[at..])]);
            start = false;
        }
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ => {}
        }
    }
    found
}

fn in_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[test]
fn the_scan_finds_what_it_looks_for() {
    let code = condensed(
        "use crate::{\n    error::{Error, Kind},\n    store::Store, // crate::api\n};\nfn f() { sqlx::query(crate::pb::X) }\nuse hyper::{server::conn, rt};",
    );
    assert_eq!(names(&code), BTreeSet::from(["error", "hyper", "pb", "sqlx", "store"]));
    let after_a_url = condensed(r#"const SCHEME: &str = "https://"; type Hidden = crate::api::Options;"#);
    assert_eq!(names(&after_a_url), BTreeSet::from(["api"]));
}
