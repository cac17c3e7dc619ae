//! docs/development/abuse-cases.md lists every test that carries the number of an abuse case, and no other.
use std::{collections::BTreeSet, fs, path::Path};

use crate::source::sources;

const PAGE: &str = "docs/development/abuse-cases.md";

/// Whether this is the name of such a test: `a5_oversize_is_exhausted`.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_prefix('a').and_then(|rest| rest.split_once('_')).map(|(number, _)| number);
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn tests() -> BTreeSet<String> {
    let sources = ["src", "tests/it"].into_iter().flat_map(sources);
    let names = |text: String| -> Vec<String> {
        let functions = text.lines().filter_map(|line| line.split_once("fn "));
        let names = functions.filter_map(|(_, rest)| rest.split_once('('));
        names.map(|(name, _)| name.to_owned()).filter(|name| is_numbered(name)).collect()
    };
    sources.flat_map(|(_, text)| names(text)).collect()
}

#[test]
fn every_numbered_test_is_listed_and_exists() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).expect("the page");
    let listed: BTreeSet<_> = page.split('`').filter(|word| is_numbered(word)).map(str::to_owned).collect();
    assert!(listed.len() > 40, "the scan sees only {listed:?}");
    let tests = tests();
    let unlisted: Vec<_> = tests.difference(&listed).collect();
    assert!(unlisted.is_empty(), "{PAGE} lacks {unlisted:?}");
    let gone: Vec<_> = listed.difference(&tests).collect();
    assert!(gone.is_empty(), "{PAGE} lists {gone:?}, which do not exist");
}
