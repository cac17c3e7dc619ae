//! A member's account at a forge.
use std::time::Duration;

use url::Url;

use crate::{
    clock::Instant,
    domain::{
        forge::Profile,
        id::{AccountId, UserId},
        secret::{Plaintext, Secret},
        user::Member,
    },
    error::{Error, Kind, Result, Violation},
};

/// How many accounts a member may have.
pub const MOST_ACCOUNTS: usize = 1_000;
/// The longest URL, in bytes.
const MAX_URL: usize = 2_048;
/// How long a profile is shown before the forge is asked again who the owner is there.
const PROFILE_LIFE: Duration = Duration::from_hours(1);

/// Kinds of forges, as clients name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScmType {
    /// github.com.
    GitHub,
    /// GitHub Enterprise Server.
    GitHubEnterprise,
    /// gitlab.com.
    GitLab,
    /// A GitLab of one's own.
    GitLabSelfHosted,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
}

impl ScmType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::GitHub,
        Self::GitHubEnterprise,
        Self::GitLab,
        Self::GitLabSelfHosted,
        Self::Gitea,
        Self::Forgejo,
    ];

    /// Its name on the wire and in the database.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitHubEnterprise => "github-enterprise",
            Self::GitLab => "gitlab",
            Self::GitLabSelfHosted => "gitlab-self-hosted",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.id() == id)
    }

    /// Where it is, if there is only one of it.
    #[must_use]
    pub const fn only_url(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("https://github.com"),
            Self::GitLab => Some("https://gitlab.com"),
            _ => None,
        }
    }
}

/// Where a forge is: an origin, and the path below it where the forge lives, if it is not the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeUrl {
    origin: String,
    base_path: String,
}

impl ForgeUrl {
    /// Reads `scheme://host[:port][/path]`: the host becomes lower case, a default port and a slash at the end are
    /// dropped. Whether it may be connected to is decided elsewhere.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() <= MAX_URL && text.bytes().all(|byte| byte.is_ascii_graphic());
        let odd = text.contains(['@', '?', '#', '\\', '%']) || text.contains("/.") || text.contains('*');
        let url = Url::parse(text).ok().filter(|_| plain && !odd)?;
        let slashes = text.get(url.scheme().len()..)?.starts_with("://");
        if !matches!(url.scheme(), "http" | "https") || !slashes || url.host_str().is_none_or(str::is_empty) {
            return None;
        }
        let base_path = url.path().trim_end_matches('/').to_owned();
        if base_path.contains("//") || url.port() == Some(0) {
            return None;
        }
        Some(Self { origin: url.origin().ascii_serialization(), base_path })
    }

    /// As stored: for what was accepted before.
    #[must_use]
    pub fn from_stored(origin: String, base_path: String) -> Self {
        Self { origin, base_path }
    }

    /// `scheme://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Empty, or a slash and a path without a slash at its end.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }
}

/// An account that a member has linked. Its token is kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's id.
    pub id: AccountId,
    /// Whose it is.
    pub member: UserId,
    /// The kind of forge.
    pub scm_type: ScmType,
    /// Where that is.
    pub url: ForgeUrl,
    /// Who its owner is there.
    pub profile: Profile,
    /// When it was linked.
    pub created_at: Instant,
    /// Counts the token's replacements, from 1.
    pub version: u64,
    /// When the forge was last asked who the owner is there.
    pub profiled_at: Instant,
}

impl Account {
    /// Whether the profile is so old at `now` that the forge may be asked again.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        self.profiled_at.plus(PROFILE_LIFE) <= now
    }
}

/// All accounts of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// Who that is; nobody, if the member is gone.
    pub owner: Option<Member>,
    /// Oldest first.
    pub all: Vec<Account>,
}

/// What errors call an account that is not there.
pub const RESOURCE: &str = "account";
/// What the REST API says of one that is not there: its clients know this one by its whole sentence.
pub const NOT_FOUND: &str = "SCM integration not found";

/// An account to be linked, its fields checked.
#[derive(Debug)]
pub struct NewAccount {
    /// The kind of forge.
    pub scm_type: ScmType,
    /// Where that is.
    pub url: ForgeUrl,
    /// The access token.
    pub token: Secret,
}

impl NewAccount {
    /// Checks the fields of a request; what is absent is as if it were empty.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming every field that is wrong.
    pub fn parse(scm_type: Option<&str>, url: Option<&str>, token: Option<Plaintext>) -> Result<Self> {
        let mut wrong = Vec::new();
        let token = token_of(token, &mut wrong);
        let scm_type = scm_type.and_then(ScmType::from_id);
        if scm_type.is_none() {
            wrong.push(violation("scm_type", "sealink.scm_type", "Unknown scm integration type"));
        }
        let url = scm_type.and_then(|scm_type| url_of(scm_type, url.unwrap_or_default(), &mut wrong));
        match (scm_type, url, token) {
            (Some(scm_type), Some(url), Some(token)) => Ok(Self { scm_type, url, token }),
            _ => Err(Error::violations_of(wrong)),
        }
    }
}

/// Checks the token alone, to replace another.
///
/// # Errors
/// [`Kind::Invalid`] on `access_token`.
pub fn replacement(token: Option<Plaintext>) -> Result<Secret> {
    let mut wrong = Vec::new();
    token_of(token, &mut wrong).ok_or_else(|| Error::violations_of(wrong))
}

/// A member has as many accounts as may be.
#[must_use]
pub fn too_many() -> Error {
    Error::new(Kind::Precondition, format!("is one too many: nobody has more than {MOST_ACCOUNTS} accounts"))
        .blaming("url", "sealink.count")
}

fn violation(field: &str, rule: &'static str, message: &'static str) -> Violation {
    Violation { field: field.to_owned(), rule: rule.into(), message: message.into() }
}

fn token_of(token: Option<Plaintext>, wrong: &mut Vec<Violation>) -> Option<Secret> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        wrong.push(violation("access_token", "sealink.blank", "can't be blank"));
        return None;
    };
    match token.parse("access_token") {
        Ok(token) => Some(token),
        Err(error) => {
            wrong.extend_from_slice(error.violations());
            None
        }
    }
}

fn url_of(scm_type: ScmType, text: &str, wrong: &mut Vec<Violation>) -> Option<ForgeUrl> {
    const RULE: &str = "sealink.forge_url";
    let (text, only) = match (scm_type.only_url(), text.trim()) {
        (Some(only), "") => (only, Some(only)),
        (only, text) => (text, only),
    };
    if text.is_empty() {
        wrong.push(violation("url", RULE, "can't be blank"));
        return None;
    }
    let url = ForgeUrl::parse(text);
    if url.is_none() {
        let message =
            "must be the address of a forge such as https://gitlab.example.com, without user or query";
        wrong.push(violation("url", RULE, message));
        return None;
    }
    if url
        .as_ref()
        .is_some_and(|url| only.is_some_and(|only| url.origin != only || !url.base_path.is_empty()))
    {
        let message = "must be the forge's own address; others have a scm_type of their own";
        wrong.push(violation("url", RULE, message));
        return None;
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_origins() {
        for (text, origin, base_path) in [
            ("https://gitlab.acme.test", "https://gitlab.acme.test", ""),
            ("https://GitLab.Acme.test:443/", "https://gitlab.acme.test", ""),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000", ""),
            ("https://acme.test/gitlab/", "https://acme.test", "/gitlab"),
            ("https://[fd00::1]:8443/a/b", "https://[fd00::1]:8443", "/a/b"),
        ] {
            let url = ForgeUrl::parse(text).unwrap();
            assert_eq!((url.origin(), url.base_path()), (origin, base_path), "{text}");
        }
        for text in [
            "",
            "gitlab.acme.test",
            "ftp://acme.test",
            "https://",
            "https:acme.test",
            "https://u@acme.test",
            "https://u:p@acme.test",
            "https://acme.test?x",
            "https://acme.test#x",
            "https://acme.test/a?x",
            "https://acme.test/../x",
            "https://acme.test/a//b",
            "https://acme.test\\x",
            "https://acme.test/%2e",
            "https://acme.test:0",
            "https://ac me.test",
            "https://acme.test\n",
            "https://\u{ff11}27.0.0.1",
        ] {
            assert_eq!(ForgeUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let fields = |scm_type, url, token: Option<&str>| {
            let error = NewAccount::parse(scm_type, url, token.map(|text| Plaintext::new(text.to_owned())));
            let error = error.unwrap_err();
            let fields = error.violations().iter().map(|one| one.field.clone());
            fields.collect::<Vec<_>>()
        };
        assert_eq!(fields(Some("svn"), None, None), ["access_token", "scm_type"]);
        assert_eq!(fields(Some("gitea"), None, Some("t")), ["url"]);
        assert_eq!(fields(Some("github"), Some("https://ghe.acme.test"), Some("t")), ["url"]);
        assert_eq!(fields(Some("gitea"), Some("https://acme.test"), Some("t\n")), ["access_token"]);
        let token = || Some(Plaintext::new("t".to_owned()));
        let hub = NewAccount::parse(Some("github"), None, token()).unwrap();
        assert_eq!(hub.url.origin(), "https://github.com");
        assert!(NewAccount::parse(Some("gitlab"), Some("https://gitlab.com/"), token()).is_ok());
    }
}
