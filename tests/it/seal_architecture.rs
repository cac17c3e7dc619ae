//! Who may open what: read from the source, so that it stays true.
use crate::source::{condensed, sources};

/// Whether the source names the module `seal::open`, alone or within a group of imports, or could do so by
/// another name of `seal`.
fn names_open(code: &str) -> bool {
    let name_ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    code.contains("seal as ")
        || code.match_indices("seal::").any(|(at, path)| {
            let rest = &code[at + path.len()..];
            match rest.strip_prefix('{') {
                // Up to the end of the statement: the elements of the group and of groups in it.
                Some(group) => group
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .split([',', '{', '}'])
                    .any(|element| element.strip_prefix("open").is_some_and(name_ends)),
                None => rest.strip_prefix("open").is_some_and(name_ends) || rest.starts_with('*'),
            }
        })
}

#[test]
fn only_the_agent_names_the_module_that_opens() {
    let sources = sources("src");
    assert!(
        sources.iter().any(|(path, _)| path.ends_with("src/seal/open/mod.rs")),
        "the scan sees the module"
    );
    for (path, text) in sources {
        let allowed = path.starts_with("src/agent") || path.starts_with("src/seal/open");
        assert!(allowed || !names_open(&condensed(&text)), "{} names seal::open", path.display());
    }
}

/// Whether the source names a module `agent`.
fn names_agent(code: &str) -> bool {
    let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.contains("crate::agent")
        || code.match_indices("agent::").any(|(at, _)| !code[..at].ends_with(in_word))
}

#[test]
fn the_server_does_not_reach_the_agent() {
    const ALLOWED: [&str; 5] =
        ["src/agent", "src/cli/agent", "src/cli/agent.rs", "src/cli/mod.rs", "src/lib.rs"];
    let sources = sources("src");
    assert!(sources.iter().any(|(_, text)| names_agent(&condensed(text))), "the scan sees the command line");
    for (path, text) in sources {
        let allowed = ALLOWED.iter().any(|allowed| path.starts_with(allowed));
        assert!(allowed || !names_agent(&condensed(&text)), "{} names the agent", path.display());
    }
}

#[test]
fn sealing_itself_does_not_reach_for_opening() {
    for (path, text) in sources("src/seal") {
        let code = condensed(&text);
        let allowed = path.starts_with("src/seal/open");
        let declares = path.ends_with("src/seal/mod.rs");
        let uses = code.contains("super::open") || code.contains("self::open") || code.contains("open::");
        assert!(allowed || !uses, "{} uses seal::open", path.display());
        assert!(
            !declares || code.contains("pub mod open;"),
            "the module is not re-exported under another name"
        );
    }
}

#[test]
fn private_key_types_stand_only_where_the_agent_opens() {
    const TYPES: [&str; 5] =
        ["RsaPrivateKey", "DecryptingKey", "crypto_box::SecretKey", "PrivateDecryptingKey", "StaticSecret"];
    for (path, text) in sources("src") {
        let code = condensed(&text);
        let found = TYPES.iter().find(|name| code.contains(**name));
        assert!(path.starts_with("src/seal/open") || found.is_none(), "{}: {found:?}", path.display());
    }
}

#[test]
fn the_scan_recognises_what_it_looks_for() {
    for code in [
        "use crate::seal::open;",
        "use crate::seal::{self, open as o};",
        "use sealink::{ seal::{Place, open::{open, KeyRing}}, clock };",
        "crate :: seal ::\n open :: open(&keys)",
        "use crate::seal::*;",
        "use crate::seal as other;",
    ] {
        assert!(names_open(&condensed(code)), "{code}");
    }
    for code in [
        "use crate::seal::{Place, opened};",
        "seal::openness()",
        "// crate::seal::open",
        "use crate::seal; file.open()",
    ] {
        assert!(!names_open(&condensed(code)), "{code}");
    }
}
