//! URLs that people copy from a forge: which repository they name, and which place in its history.
//!
//! ```text
//! text -> locator: scheme, host, decoded path, query   refuses what is no URL, and other hosts
//!      -> github | gitlab | bitbucket | azure | gitea  owner, repository, page
//!      -> ContextUrl                                   names that are safe in paths, URLs and commands
//! ```
//!
//! Pure: no forge is asked, so where a branch ends and a path begins stays open ([`Revision::candidates`]).
mod azure;
mod bitbucket;
mod gitea;
mod github;
mod gitlab;
mod locator;
mod names;
mod site;
mod target;

pub use site::Site;
pub use target::{Revision, RevisionKind, Target};

/// What a URL points at. Every name in it was checked: no control characters, no `..`, no leading hyphen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextUrl {
    /// The integration's host, as the integration spells it, without an organization behind it.
    pub host: String,
    /// Who the repository belongs to: `octocat`, `group/subgroup`, `organization/project`.
    pub owner: String,
    /// The repository's name, without `.git`.
    pub repo: String,
    /// Where in the repository.
    pub target: Target,
    clone_path: String,
}

impl ContextUrl {
    /// The path of the clone URL, percent-encoded, with a slash in front: `/octocat/hello.git`.
    #[must_use]
    pub fn clone_path(&self) -> &str {
        &self.clone_path
    }

    /// `owner/repo`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repo)
    }
}

/// Why a text is no place at a forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPlace {
    /// A URL, but of another host: another integration may know it.
    OtherHost,
    /// Not something this forge has; the sentence says what was expected and repeats nothing.
    Invalid(&'static str),
}

/// What the grammar of one forge finds in a path.
struct Found {
    owner: String,
    repo: String,
    target: Target,
}

type Grammar = Result<Found, NotAPlace>;

const NO_REPOSITORY: NotAPlace =
    NotAPlace::Invalid("value must be the URL of a repository or something in one");
const BAD_NAME: NotAPlace = NotAPlace::Invalid("value must name an owner and a repository that can exist");
const BAD_REVISION: NotAPlace = NotAPlace::Invalid("value must name a branch, tag or commit that can exist");
const BAD_NUMBER: NotAPlace = NotAPlace::Invalid("value must end in the number of a request or an issue");
