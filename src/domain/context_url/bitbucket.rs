//! Pages of Bitbucket Cloud.
use super::{BAD_NAME, Found, Grammar, NO_REPOSITORY, RevisionKind, Target, locator::Locator, names};

/// First parts of paths that are pages of the site, never workspaces.
const RESERVED: [&str; 6] = ["account", "dashboard", "product", "repo", "site", "socialauth"];

pub(super) fn parse(locator: &Locator) -> Grammar {
    let path = locator.path();
    let [owner, repo, page @ ..] = &path[..] else { return Err(NO_REPOSITORY) };
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    if !names::is_plain(owner) || !names::is_plain(repo) || RESERVED.contains(owner) {
        return Err(BAD_NAME);
    }
    let target = match page {
        // `at` names the branch where the path only has its commit.
        ["src", _, ..] if locator.query("at").is_some() => {
            Target::exact(RevisionKind::Any, &[locator.query("at").unwrap_or_default()])?
        }
        // A slash within a branch is %2F here, and decoded it is refused; so one part is the name.
        ["src", name, ..] => Target::within(RevisionKind::Any, &[name])?,
        ["branch" | "branches", name @ ..] | ["commits", "branch", name @ ..] if !name.is_empty() => {
            Target::exact(RevisionKind::Branch, name)?
        }
        ["commits", "tag", name @ ..] if !name.is_empty() => Target::exact(RevisionKind::Tag, name)?,
        ["commits", sha, ..] => Target::commit(sha)?,
        ["pull-requests", number, ..] if *number != "new" => Target::pull_request(number)?,
        ["issues", number, ..] if names::number(number).is_some() => Target::issue(number)?,
        _ => Target::Repository,
    };
    Ok(Found { owner: (*owner).to_owned(), repo: repo.to_owned(), target })
}
