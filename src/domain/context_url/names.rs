//! Names that are safe wherever they go: in a path, a URL, a file name, an argument of git.

const MAX_NAME: usize = 255;

/// A user, group or repository at a forge that only takes plain names.
pub(super) fn is_plain(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(letter)
        && !name.starts_with('-')
        && !matches!(name, "." | ".." | ".git")
}

/// A project or repository of Azure DevOps, which may hold spaces and any script.
pub(super) fn is_spacious(name: &str) -> bool {
    const REFUSED: &str = "\\/:*?\"<>|;#$}{,+=[]%@~^";
    name.chars().count() <= 64
        && !name.trim().is_empty()
        && name.trim() == name
        && !name.chars().any(|letter| letter.is_control() || REFUSED.contains(letter))
        && !name.starts_with(['_', '.', '-'])
        && !name.ends_with('.')
}

/// What git takes as the name of a branch or tag (git-check-ref-format), and no option.
pub(super) fn is_revision(name: &str) -> bool {
    const REFUSED: &str = " ~^:?*[\\";
    (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('-')
        && !name.chars().any(|letter| letter.is_control() || REFUSED.contains(letter))
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && name
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !has_lock(part))
}

fn has_lock(part: &str) -> bool {
    part.strip_suffix(".lock").is_some()
}

/// A commit, perhaps abbreviated.
pub(super) fn is_sha(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The number of a request or an issue: digits, at least 1.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number > 0)
}
