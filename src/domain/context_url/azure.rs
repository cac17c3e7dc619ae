//! Pages of Azure DevOps, in the cloud under three host names, and of Azure DevOps Server.
use super::{
    BAD_NAME, BAD_REVISION, Found, Grammar, NO_REPOSITORY, NotAPlace, RevisionKind, Site, Target,
    locator::Locator, names,
};
use crate::domain::scm::Scm;

const CLOUD: &str = "dev.azure.com";

pub(super) fn parse(site: &Site, locator: &Locator) -> Grammar {
    let path = inside(site, locator)?;
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    let [organization, rest @ ..] = &path[..] else { return Err(NO_REPOSITORY) };
    let (project, repo, page) = match rest {
        [project, "_git", repo, page @ ..] => (*project, *repo, page),
        // The repository that is called like its project.
        ["_git", repo, page @ ..] => (*repo, *repo, page),
        [project, "_workitems", "edit", ..] => (*project, *project, &rest[1..]),
        // As ssh has it.
        [project, repo] if locator.is_ssh => (*project, *repo, &[][..]),
        _ => return Err(NO_REPOSITORY),
    };
    if !names::is_plain(organization) || ![project, repo].iter().all(|name| names::is_spacious(name)) {
        return Err(BAD_NAME);
    }
    let target = match page {
        ["_workitems", "edit", number, ..] => Target::issue(number)?,
        ["pullrequest", number, ..] => Target::pull_request(number)?,
        ["commit", sha, ..] => Target::commit(sha)?,
        _ => version(locator)?,
    };
    Ok(Found { owner: format!("{organization}/{project}"), repo: repo.to_owned(), target })
}

/// The path from the organization or collection on.
fn inside(site: &Site, locator: &Locator) -> Result<Vec<String>, NotAPlace> {
    let cloud = site.scm() == Scm::AzureEntra && site.authority().eq_ignore_ascii_case(CLOUD);
    let path = match locator.host.strip_suffix(".visualstudio.com").filter(|_| cloud) {
        Some("vs-ssh") => after(&locator.segments, &["v3"])?.to_vec(),
        Some(organization) => {
            let rest = match &locator.segments[..] {
                [first, rest @ ..] if first.eq_ignore_ascii_case("DefaultCollection") => rest,
                all => all,
            };
            [&[organization.to_owned()], rest].concat()
        }
        None if cloud && locator.host == "ssh.dev.azure.com" => after(&locator.segments, &["v3"])?.to_vec(),
        None => {
            site.require_host(locator)?;
            after(&locator.segments, &site.base())?.to_vec()
        }
    };
    let foreign =
        |ours: &str| path.first().is_some_and(|organization| !organization.eq_ignore_ascii_case(ours));
    if site.organization().is_some_and(foreign) { Err(NotAPlace::OtherHost) } else { Ok(path) }
}

/// What follows `base`, which is compared without regard to case.
fn after<'a>(path: &'a [String], base: &[&str]) -> Result<&'a [String], NotAPlace> {
    let (front, rest) = path.split_at_checked(base.len()).ok_or(NO_REPOSITORY)?;
    let same = front.iter().zip(base).all(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs));
    if same { Ok(rest) } else { Err(NO_REPOSITORY) }
}

/// `version=GBmain`, `GTv1` or `GC<sha>`.
fn version(locator: &Locator) -> Result<Target, NotAPlace> {
    let Some(version) = locator.query("version").or_else(|| locator.query("itemVersion")) else {
        return Ok(Target::Repository);
    };
    match (version.get(..2), version.get(2..)) {
        (Some("GB"), Some(name)) => Target::exact(RevisionKind::Branch, &[name]),
        (Some("GT"), Some(name)) => Target::exact(RevisionKind::Tag, &[name]),
        (Some("GC"), Some(sha)) => Target::commit(sha),
        _ => Err(BAD_REVISION),
    }
}
