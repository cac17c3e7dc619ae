//! Pages of gitlab.com and self-hosted GitLab, whose repositories stand in groups of any depth.
use super::{
    BAD_NAME, Found, Grammar, NO_REPOSITORY, NotAPlace, RevisionKind, Target, locator::Locator, names,
};

/// First parts of paths that are pages of the site, never groups.
const RESERVED: [&str; 11] =
    ["-", "admin", "api", "dashboard", "explore", "groups", "help", "oauth", "profile", "search", "users"];
/// GitLab's own limit of groups within groups, and the project.
const MAX_DEPTH: usize = 21;

pub(super) fn parse(locator: &Locator) -> Grammar {
    let path = locator.path();
    let (project, page) = split(&path);
    let [owner @ .., repo] = project else { return Err(NO_REPOSITORY) };
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    if owner.is_empty() || RESERVED.contains(&owner[0]) {
        return Err(NO_REPOSITORY);
    }
    let good = |name: &&str| names::is_plain(name);
    if project.len() > MAX_DEPTH || !owner.iter().all(good) || !names::is_plain(repo) {
        return Err(BAD_NAME);
    }
    Ok(Found { owner: owner.join("/"), repo: repo.to_owned(), target: target(page, locator)? })
}

/// The project's path and the page behind it: since GitLab 12 after `-`, before that after a word that no
/// project may be called.
fn split<'a, 'p>(path: &'p [&'a str]) -> (&'p [&'a str], &'p [&'a str]) {
    if let Some(at) = path.iter().position(|part| *part == "-") {
        return (&path[..at], &path[at + 1..]);
    }
    let old = |at: &usize| match path[*at] {
        "tree" | "blob" | "raw" | "blame" | "commits" => *at + 1 < path.len(),
        "commit" => path.get(at + 1).is_some_and(|sha| names::is_sha(sha)),
        "merge_requests" | "issues" => path.get(at + 1).is_some_and(|number| names::number(number).is_some()),
        _ => false,
    };
    (2..path.len()).find(old).map_or((path, &[]), |at| path.split_at(at))
}

fn target(page: &[&str], locator: &Locator) -> Result<Target, NotAPlace> {
    let kind = match locator.query("ref_type") {
        Some("heads") => RevisionKind::Branch,
        Some("tags") => RevisionKind::Tag,
        _ => RevisionKind::Any,
    };
    match page {
        ["tree" | "blob" | "raw" | "blame" | "commits" | "edit", name @ ..] if !name.is_empty() => {
            Target::within(kind, name)
        }
        ["commit", sha, ..] => Target::commit(sha),
        ["tags" | "releases", name @ ..] if !name.is_empty() => Target::exact(RevisionKind::Tag, name),
        ["merge_requests", number, ..] if *number != "new" => Target::pull_request(number),
        ["issues" | "work_items", number, ..] if names::number(number).is_some() => Target::issue(number),
        _ => Ok(Target::Repository),
    }
}
