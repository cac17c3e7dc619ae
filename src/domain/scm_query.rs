//! What people type to search: words, and `key:value` as they know it from GitHub.
use crate::error::{Error, Result};

/// The longest query, in characters; no path in it is longer.
const LONGEST: usize = 1_024;

/// Which repositories to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryQuery {
    /// All of them must match: by name and description, and by whatever else the forge has a word for.
    pub words: Vec<String>,
    /// Whether forks count.
    pub forks: bool,
    /// Of this user, organization or group only.
    pub owner: Option<String>,
}

/// `owner/name`; a group's path may have more than one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryName {
    /// User, organization or group.
    pub owner: String,
    /// Without `.git`.
    pub name: String,
}

/// Which state a pull request must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullFilter {
    /// Any.
    All,
    /// Still to be decided.
    Open,
    /// Refused, withdrawn or merged.
    Closed,
}

/// Which pull requests to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullQuery {
    /// Of this repository.
    pub repository: RepositoryName,
    /// In this state.
    pub state: PullFilter,
    /// Words of the title, in lower case.
    pub words: Vec<String>,
}

fn refuse(message: &'static str) -> Error {
    Error::invalid("query", "sealink.query", message)
}

/// The words of a query that was form-decoded already. Clients send a space as `+`, and some encode that again.
fn words(query: &str) -> Result<impl Iterator<Item = &str>> {
    if query.chars().nth(LONGEST).is_some() || query.chars().any(char::is_control) {
        return Err(refuse("must be at most 1024 characters without control characters"));
    }
    Ok(query.split(|letter: char| letter.is_whitespace() || letter == '+').filter(|word| !word.is_empty()))
}

impl RepositoryQuery {
    /// Reads a query: `fork:true|false`, `user:NAME`, and words. Other qualifiers are words.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `query` for one that is too long.
    pub fn parse(query: &str) -> Result<Self> {
        let mut parsed = Self::default();
        for word in words(query)? {
            match word.split_once(':') {
                Some(("fork", "true")) => parsed.forks = true,
                Some(("fork", "false")) => parsed.forks = false,
                Some(("user", owner)) if is_path(owner) => parsed.owner = Some(owner.to_owned()),
                _ => parsed.words.push(word.to_owned()),
            }
        }
        Ok(parsed)
    }
}

impl RepositoryName {
    /// Reads `owner/name` or `group/subgroup/name`, perhaps with `.git`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let path = text.strip_suffix(".git").filter(|path| is_path(path)).unwrap_or(text);
        let (owner, name) = path.rsplit_once('/').filter(|_| is_path(text))?;
        Some(Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// `owner/name`.
    #[must_use]
    pub fn full(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// Parts of a path as forges allow them: none is empty, none leads elsewhere.
fn is_path(text: &str) -> bool {
    let part = |part: &str| {
        let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        plain && !part.is_empty() && part != "." && part != ".."
    };
    text.len() <= LONGEST && text.split('/').all(part)
}

impl PullQuery {
    /// Reads a query: exactly one `repo:OWNER/NAME`, `is:open|closed`, and words of the title.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) on `query`.
    pub fn parse(query: &str) -> Result<Self> {
        let (mut repositories, mut state, mut titles) = (Vec::new(), PullFilter::All, Vec::new());
        for word in words(query)? {
            match word.split_once(':') {
                Some(("repo", name)) => repositories.push(RepositoryName::parse(name)),
                Some(("is", "open")) => state = PullFilter::Open,
                Some(("is", "closed")) => state = PullFilter::Closed,
                // Nothing else is searched.
                Some(("is" | "type", "pr")) => {}
                _ => titles.push(word.to_lowercase()),
            }
        }
        match <[_; 1]>::try_from(repositories) {
            Ok([Some(repository)]) => Ok(Self { repository, state, words: titles }),
            _ => Err(refuse("must name exactly one repository as repo:owner/name")),
        }
    }

    /// Whether a title holds every word.
    #[must_use]
    pub fn fits(&self, title: &str) -> bool {
        let title = title.to_lowercase();
        self.words.iter().all(|word| title.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_asked_for_by_words_and_qualifiers() {
        let query = |text: &str| RepositoryQuery::parse(text).unwrap();
        let asked = query("shop api fork:true user:acme/web");
        assert_eq!((asked.words, asked.forks), (vec!["shop".to_owned(), "api".to_owned()], true));
        assert_eq!(asked.owner.as_deref(), Some("acme/web"));
        assert_eq!(query("shop+api"), query(" shop  api "));
        assert_eq!(query(""), RepositoryQuery::default());
        assert_eq!(
            query("fork:maybe user:../x language:rust").words,
            ["fork:maybe", "user:../x", "language:rust"]
        );
        assert!(RepositoryQuery::parse(&"x".repeat(1_025)).is_err());
        assert!(RepositoryQuery::parse("a\u{0}").is_err());
    }

    #[test]
    fn pull_requests_are_those_of_one_repository() {
        let asked = PullQuery::parse("is:open repo:acme/web/shop.git Faster checkout").unwrap();
        assert_eq!((asked.repository.owner.as_str(), asked.repository.name.as_str()), ("acme/web", "shop"));
        assert_eq!(asked.state, PullFilter::Open);
        assert!(asked.fits("A FASTER checkout") && !asked.fits("faster"));
        let named = |text: &str| RepositoryName::parse(text).map(|name| name.full());
        assert_eq!(named("acme/.github").as_deref(), Some("acme/.github"));
        assert_eq!(named("acme/.git").as_deref(), Some("acme/.git"), "nothing would be left of it");
        assert_eq!(named("a.git/b.git.git").as_deref(), Some("a.git/b.git"));
        assert_eq!(named("a/..git").as_deref(), Some("a/..git"));
        assert_eq!(named("a/."), None);
        assert_eq!(named(&format!("a/{}", "b".repeat(1_023))), None);
        for wrong in ["", "is:open", "repo:acme", "repo:a/b repo:c/d", "repo:../x", "repo:a/b?x", "repo:a//b"]
        {
            assert!(PullQuery::parse(wrong).is_err(), "{wrong}");
        }
    }
}
