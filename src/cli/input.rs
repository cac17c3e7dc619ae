//! Secrets come from files or stdin, never from arguments.
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use crate::{
    client::Token,
    domain::secret::{MAX_SECRET_BYTES, Secret},
    error::{Error, Kind, Result},
    private_file,
};

/// Longer than any token there is.
const MAX_TOKEN_BYTES: u64 = 4_096;

/// Reads a secret from a file, or from stdin if the path is `-`. One newline at its end is the editor's
/// and is dropped.
///
/// # Errors
/// [`Kind::Invalid`] if there is nothing to read, or if it breaks the rules for secrets.
pub(super) fn secret(option: &str, path: &Path) -> Result<Secret> {
    secret_up_to(MAX_SECRET_BYTES, option, path)
}

/// The same for a secret of at most `longest` bytes.
///
/// # Errors
/// As [`secret`].
pub(super) fn secret_up_to(longest: usize, option: &str, path: &Path) -> Result<Secret> {
    // A line break of two bytes, and one byte that shows it to be too long.
    let limit = longest as u64 + 3;
    let (origin, text) = if path == Path::new("-") {
        ask(&format!("{option} -: type the secret, then Enter and Ctrl-D: "));
        ("stdin".to_owned(), text("stdin", io::stdin().lock(), limit)?)
    } else {
        let origin = path.display().to_string();
        let text = text(&origin, open(option, path)?, limit)?;
        (origin, text)
    };
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Secret::parse_up_to(longest, &format!("{option} ({origin})"), line.to_owned())
}

/// Reads a token.
///
/// # Errors
/// [`Kind::Invalid`] if there is none.
pub(super) fn token(origin: &str, from: impl Read) -> Result<Token> {
    Token::parse(origin, &text(origin, from, MAX_TOKEN_BYTES)?)
}

/// Reads a token that need not be there: nothing but white space is none.
///
/// # Errors
/// [`Kind::Invalid`] if it is there and is no token.
pub(super) fn optional_token(origin: &str, from: impl Read) -> Result<Option<Token>> {
    let text = text(origin, from, MAX_TOKEN_BYTES)?;
    if text.trim().is_empty() { Ok(None) } else { Token::parse(origin, &text).map(Some) }
}

/// Opens the file with a secret that `option` names. What is no file may be the secret itself, and is not shown.
///
/// # Errors
/// [`Kind::Invalid`] if it cannot be opened.
pub(super) fn open(option: &str, path: &Path) -> Result<File> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::new(
            Kind::Invalid,
            format!("{option}: there is no such file; it takes a file's name, and never the secret itself"),
        ),
        _ => unreadable(&path.display().to_string(), source),
    })
}

/// The error for a file that cannot be read.
pub(super) fn unreadable(origin: &str, source: io::Error) -> Error {
    Error::new(Kind::Invalid, format!("cannot read {origin}")).caused_by(source)
}

/// The error for a file that cannot be written.
pub(super) fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::new(Kind::Precondition, format!("cannot write {}", path.display())).caused_by(source)
}

/// The error for a token that exists now, but could not be written to its file.
pub(super) fn unsaved(done: &str, path: &Path, source: io::Error) -> Error {
    let message = format!("{done}, but its token could not be written to {}", path.display());
    Error::new(Kind::Precondition, message).caused_by(source)
}

/// Asks a person to confirm; anything but `y` or `yes` is a no, and so is a closed stdin.
pub(super) fn confirm(question: &str) -> bool {
    eprint!("{question} [y/N] ");
    // An unflushed prompt is still a prompt.
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn ask(prompt: &str) {
    if io::stdin().is_terminal() {
        eprint!("{prompt}");
        let _ = io::stderr().flush();
    }
}

fn text(origin: &str, from: impl Read, limit: u64) -> Result<Zeroizing<String>> {
    private_file::read_text(from, limit).map_err(|source| unreadable(origin, source))
}
