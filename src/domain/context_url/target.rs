//! Places in a repository.
use super::{BAD_NUMBER, BAD_REVISION, NotAPlace, names};

/// How many ends a branch's name may have in a URL that also holds a path. Each costs a question to the forge.
const MAX_CANDIDATES: usize = 8;

/// A place in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The repository itself: its default branch.
    Repository,
    /// A branch or tag, or what may be one.
    Revision(Revision),
    /// A commit, by 7 to 64 lower-case hexadecimal digits.
    Commit(String),
    /// A pull or merge request, by its number in the repository.
    PullRequest(u64),
    /// An issue, by its number.
    Issue(u64),
}

/// What the page says about a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionKind {
    /// It is a branch.
    Branch,
    /// It is a tag.
    Tag,
    /// It is a branch, a tag or a commit: the URL does not tell.
    Any,
}

/// The name of a branch or tag, perhaps followed by a path of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// What it is.
    pub kind: RevisionKind,
    name: String,
    exact: bool,
}

impl Revision {
    /// The possible names, in the order to ask for them, at least one and at most eight. For
    /// `feature/x/src` these are `feature`, `feature/x` and `feature/x/src`; at most one exists, because git
    /// keeps no branch below another.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        let ends = self.name.match_indices('/').map(|(at, _)| at).filter(|_| !self.exact);
        let names = ends.chain([self.name.len()]).map(|end| &self.name[..end]);
        names.filter(|name| names::is_revision(name)).take(MAX_CANDIDATES)
    }
}

impl Target {
    /// A revision that the whole of `segments` names.
    pub(super) fn exact(kind: RevisionKind, segments: &[&str]) -> Result<Self, NotAPlace> {
        revision(kind, segments.join("/"), true)
    }

    /// A revision that `segments` begin with.
    pub(super) fn within(kind: RevisionKind, segments: &[&str]) -> Result<Self, NotAPlace> {
        match (kind, segments) {
            (RevisionKind::Any, ["refs", "heads", name @ ..]) => Self::within(RevisionKind::Branch, name),
            (RevisionKind::Any, ["refs", "tags", name @ ..]) => Self::within(RevisionKind::Tag, name),
            (RevisionKind::Any, [sha, ..]) if matches!(sha.len(), 40 | 64) && names::is_sha(sha) => {
                Self::commit(sha)
            }
            _ => revision(kind, segments.join("/"), false),
        }
    }

    pub(super) fn commit(sha: &str) -> Result<Self, NotAPlace> {
        if names::is_sha(sha) { Ok(Self::Commit(sha.to_ascii_lowercase())) } else { Err(BAD_REVISION) }
    }

    pub(super) fn pull_request(number: &str) -> Result<Self, NotAPlace> {
        names::number(number).map(Self::PullRequest).ok_or(BAD_NUMBER)
    }

    pub(super) fn issue(number: &str) -> Result<Self, NotAPlace> {
        names::number(number).map(Self::Issue).ok_or(BAD_NUMBER)
    }
}

fn revision(kind: RevisionKind, name: String, exact: bool) -> Result<Target, NotAPlace> {
    let revision = Revision { kind, name, exact };
    if revision.candidates().next().is_none() {
        return Err(BAD_REVISION);
    }
    Ok(Target::Revision(revision))
}
