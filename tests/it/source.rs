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
    let code = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.flat_map(str::split_whitespace).fold(String::new(), |mut code, word| {
        if code.ends_with(in_word) && word.starts_with(in_word) {
            code.push(' ');
        }
        code + word
    })
}
