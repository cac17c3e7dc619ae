//! The arrows of docs/architecture.md, read from the source, so that they stay true.
use std::collections::BTreeSet;

use crate::source::{condensed, sources};

/// A layer and what it must not name: modules of the crate, or crates.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    (
        "domain",
        &[
            "agent", "api", "at_rest", "cli", "client", "pb", "rpc", "seal", "service", "store", "tonic",
            "axum",
        ],
    ),
    ("seal", &["agent", "api", "cli", "client", "pb", "rpc", "service", "store", "sqlx", "tonic", "axum"]),
    ("store", &["agent", "api", "cli", "client", "pb", "rpc", "service", "tonic", "axum", "reqwest"]),
    ("service", &["agent", "api", "cli", "client", "pb", "rpc", "sqlx", "tonic", "axum", "reqwest"]),
    ("api", &["agent", "cli", "client", "sqlx", "reqwest"]),
    ("rpc", &["agent", "api", "cli", "client", "domain", "seal", "service", "store", "sqlx", "reqwest"]),
    ("agent", &["api", "cli", "rpc", "service", "store", "sqlx", "tonic", "axum"]),
    ("client", &["agent", "api", "cli", "rpc", "service", "store", "sqlx", "axum"]),
];

/// The longest file there may be, in lines; one that comes near it wants to be two.
const LINES: usize = 500;

#[test]
fn arrows_point_down() {
    let mut seen = BTreeSet::new();
    for (path, text) in sources("src") {
        let layer = FORBIDDEN.iter().find(|(layer, _)| {
            path.starts_with(format!("src/{layer}")) || path.ends_with(format!("src/{layer}.rs"))
        });
        let Some((layer, forbidden)) = layer else { continue };
        seen.insert(layer);
        let code = condensed(&text);
        let names = names(&code);
        let wrong: Vec<_> = forbidden.iter().filter(|name| names.contains(**name)).collect();
        assert!(wrong.is_empty(), "{} names {wrong:?}", path.display());
    }
    assert_eq!(seen.len(), FORBIDDEN.len(), "the scan sees only {seen:?}");
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

/// The first name after every `crate::`, also within a group, and the head of every other path.
fn names(code: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (at, separator) in code.match_indices("::") {
        let before = &code[..at];
        let word = before.rfind(|letter: char| !in_word(letter)).map_or(before, |end| &before[end + 1..]);
        let after = &code[at + separator.len()..];
        if word == "crate" {
            names.extend(heads(after));
        } else if !before[..before.len() - word.len()].ends_with("::") {
            names.insert(word);
        }
    }
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
        "use crate::{\n    error::{Error, Kind},\n    store::Store, // crate::api\n};\nfn f() { sqlx::query(crate::pb::X) }",
    );
    assert_eq!(names(&code), BTreeSet::from(["error", "pb", "sqlx", "store"]));
}
