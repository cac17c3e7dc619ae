//! Pages of Gitea and Forgejo.
use super::{BAD_NAME, Found, Grammar, NO_REPOSITORY, RevisionKind, Target, locator::Locator, names};

/// First parts of paths that are pages of the site, never people.
const RESERVED: [&str; 13] = [
    "-",
    "admin",
    "api",
    "assets",
    "avatars",
    "explore",
    "issues",
    "login",
    "notifications",
    "org",
    "pulls",
    "repo",
    "user",
];

pub(super) fn parse(locator: &Locator) -> Grammar {
    let path = locator.path();
    let [owner, repo, page @ ..] = &path[..] else { return Err(NO_REPOSITORY) };
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    if !names::is_plain(owner) || !names::is_plain(repo) || RESERVED.contains(owner) {
        return Err(BAD_NAME);
    }
    let target = match page {
        ["src" | "raw" | "media" | "blame" | "commits", "branch", name @ ..] if !name.is_empty() => {
            Target::within(RevisionKind::Branch, name)?
        }
        ["src" | "raw" | "media" | "blame" | "commits", "tag", name @ ..] if !name.is_empty() => {
            Target::within(RevisionKind::Tag, name)?
        }
        ["src" | "raw" | "media" | "blame" | "commits", "commit", sha, ..] | ["commit", sha, ..] => {
            Target::commit(sha)?
        }
        // Before 1.2 the page did not say what it shows.
        ["src" | "raw" | "commits", name @ ..] if !name.is_empty() => {
            Target::within(RevisionKind::Any, name)?
        }
        ["releases", "tag", name @ ..] if !name.is_empty() => Target::exact(RevisionKind::Tag, name)?,
        ["pulls", number, ..] if names::number(number).is_some() => Target::pull_request(number)?,
        ["issues", number, ..] if names::number(number).is_some() => Target::issue(number)?,
        _ => Target::Repository,
    };
    Ok(Found { owner: (*owner).to_owned(), repo: repo.to_owned(), target })
}
