//! Pages of github.com and GitHub Enterprise Server.
use super::{BAD_NAME, Found, Grammar, NO_REPOSITORY, RevisionKind, Target, locator::Locator, names};

/// First parts of paths that are pages of the site, never people.
const RESERVED: [&str; 16] = [
    "about",
    "api",
    "apps",
    "collections",
    "enterprise",
    "explore",
    "features",
    "login",
    "marketplace",
    "notifications",
    "orgs",
    "search",
    "settings",
    "sponsors",
    "topics",
    "users",
];

pub(super) fn parse(locator: &Locator) -> Grammar {
    let path = locator.path();
    let [owner, repo, page @ ..] = &path[..] else { return Err(NO_REPOSITORY) };
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    if !names::is_plain(owner) || !names::is_plain(repo) || RESERVED.contains(owner) {
        return Err(BAD_NAME);
    }
    let target = match page {
        ["tree" | "blob" | "blame" | "raw" | "edit" | "commits", name @ ..] if !name.is_empty() => {
            Target::within(RevisionKind::Any, name)?
        }
        ["commit", sha, ..] => Target::commit(sha)?,
        ["releases", "tag", name @ ..] if !name.is_empty() => Target::exact(RevisionKind::Tag, name)?,
        ["pull", number, ..] => Target::pull_request(number)?,
        ["issues", number, ..] if names::number(number).is_some() => Target::issue(number)?,
        _ => Target::Repository,
    };
    Ok(Found { owner: (*owner).to_owned(), repo: repo.to_owned(), target })
}
