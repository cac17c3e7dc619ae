//! A forge as an integration names it, and the URLs that are its own.
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{ContextUrl, Found, NotAPlace, azure, bitbucket, gitea, github, gitlab, locator::Locator};
use crate::domain::scm::Scm;

/// What a path segment may not hold as it is (RFC 3986: anything but unreserved and sub-delimiters).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'\\');

/// One forge: which kind, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    scm: Scm,
    host: String,
    virtual_directory: String,
}

impl Site {
    /// The forge of an integration: `host` as stored there, with an optional port or organization, and the
    /// virtual directory or "".
    #[must_use]
    pub fn new(scm: Scm, host: &str, virtual_directory: &str) -> Self {
        Self { scm, host: host.to_owned(), virtual_directory: virtual_directory.to_owned() }
    }

    /// Which kind of forge.
    #[must_use]
    pub fn scm(&self) -> Scm {
        self.scm
    }

    /// The host as the integration spells it, with its port, without an organization.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.host.split_once('/').map_or(&self.host, |(authority, _)| authority)
    }

    /// The organization in the host, if there is one.
    pub(super) fn organization(&self) -> Option<&str> {
        self.host.split_once('/').map(|(_, organization)| organization)
    }

    /// The parts of the virtual directory.
    pub(super) fn base(&self) -> Vec<&str> {
        self.virtual_directory.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// Reads the URL of a repository, branch, tag, commit, pull or merge request or issue; pages of a
    /// repository that are none of these mean the repository. At most 2,048 bytes; `https`, `http`, `ssh`
    /// and `git` are the same to it, because where to go is decided by the integration.
    ///
    /// # Errors
    /// [`NotAPlace::OtherHost`] if another host is named, [`NotAPlace::Invalid`] for everything else.
    pub fn parse(&self, url: &str) -> Result<ContextUrl, NotAPlace> {
        let locator = Locator::parse(url)?;
        let azure = matches!(self.scm, Scm::AzureEntra | Scm::AzureServer);
        let found = if azure {
            azure::parse(self, &locator)?
        } else {
            self.require_host(&locator)?;
            match self.scm {
                Scm::GitHub => github::parse(&locator)?,
                Scm::GitLab => gitlab::parse(&locator)?,
                Scm::Bitbucket => bitbucket::parse(&locator)?,
                _ => gitea::parse(&locator)?,
            }
        };
        let clone_path = if azure { self.azure_path(&found) } else { plain_path(&found) };
        let Found { owner, repo, target } = found;
        Ok(ContextUrl { host: self.authority().to_owned(), owner, repo, target, clone_path })
    }

    /// Whether the URL names this forge's host. Its port must be the integration's, save for ssh.
    pub(super) fn require_host(&self, locator: &Locator) -> Result<(), NotAPlace> {
        let (host, port) = split_port(self.authority());
        let same_port = locator.is_ssh || locator.port == port;
        if host.eq_ignore_ascii_case(&locator.host) && same_port { Ok(()) } else { Err(NotAPlace::OtherHost) }
    }

    fn azure_path(&self, found: &Found) -> String {
        let mut parts = self.base();
        parts.extend(found.owner.split('/'));
        parts.extend(["_git", &found.repo]);
        encode(&parts)
    }
}

fn plain_path(found: &Found) -> String {
    let mut parts: Vec<_> = found.owner.split('/').collect();
    let repo = format!("{}.git", found.repo);
    parts.push(&repo);
    encode(&parts)
}

fn encode(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |path, part| {
        let part = utf8_percent_encode(part, SEGMENT);
        format!("{path}/{part}")
    })
}

/// Name and port; https's own port is none.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    let split = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match split {
        Some((host, 443)) => (host, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}
