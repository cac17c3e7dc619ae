//! The crate's own source, for tests that read it.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Rust file below `folder`, with its path from the root of the crate.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                found.push((path.strip_prefix(root).expect("below the root").to_owned(), text));
            }
        }
    }
    found
}

/// The source without comments, and with white space only between two words, so that neither line breaks nor
/// prose matter.
pub(crate) fn condensed(text: &str) -> String {
    let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    without_comments(text).split_whitespace().fold(String::new(), |mut code, word| {
        if code.ends_with(in_word) && word.starts_with(in_word) {
            code.push(' ');
        }
        code + word
    })
}

/// The source without `// ..`; two slashes within a string or a character are none.
fn without_comments(mut rest: &str) -> String {
    let mut code = String::with_capacity(rest.len());
    while let Some(letter) = rest.chars().next() {
        let taken = match letter {
            '/' if rest.starts_with("//") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '"' => quoted(rest, '"'),
            'r' => raw_string(rest).unwrap_or(1),
            // A character, not the name of a lifetime.
            '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => quoted(rest, '\''),
            _ => letter.len_utf8(),
        };
        code.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    code
}

/// The length of the literal that `rest` begins with, in bytes, with both quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == quote && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + quote.len_utf8())
}

/// The length of the raw string that `rest` begins with, in bytes, if it does.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].find(|letter| letter != '#')?;
    let start = 1 + hashes + 1;
    rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    rest[start..].find(&end).map(|at| start + at + end.len())
}

#[test]
fn slashes_in_literals_begin_no_comment() {
    let text = concat!(
        r#"a("https://x\"//y"); b(b'"'); c::<'static>('\'', '/'); // d"#,
        "\n",
        r###"e(r#"//"f"#); g(br"//\"); // "h" "###
    );
    let code =
        concat!(r#"a("https://x\"//y");b(b'"');c::<'static>('\'','/');"#, r###"e(r#"//"f"#);g(br"//\");"###);
    assert_eq!(condensed(text), code);
}
