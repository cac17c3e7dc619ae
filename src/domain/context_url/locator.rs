//! The text of a URL, taken apart and decoded, without knowing any forge.
use percent_encoding::percent_decode_str;
use url::Url;

use super::NotAPlace;

const MAX_BYTES: usize = 2_048;
const NO_URL: NotAPlace = NotAPlace::Invalid("value must be an https or ssh URL");

/// A URL's host, port, decoded path and query.
#[derive(Debug)]
pub(super) struct Locator {
    /// In lower case.
    pub(super) host: String,
    /// As written; `None` for the scheme's own.
    pub(super) port: Option<u16>,
    /// Whether git's own transports speak here, on ports of their own.
    pub(super) is_ssh: bool,
    /// Decoded; none is empty, `.` or `..`, or holds a slash or a control character.
    pub(super) segments: Vec<String>,
    query: Vec<(String, String)>,
}

impl Locator {
    /// Takes a web page's or a clone URL apart; `git@host:path` is one too.
    pub(super) fn parse(text: &str) -> Result<Self, NotAPlace> {
        let odd = |letter: char| letter.is_control() || letter.is_whitespace() || letter == '\\';
        if text.len() > MAX_BYTES || text.contains(odd) {
            return Err(NO_URL);
        }
        let url = match scp(text) {
            Some(url) => Url::parse(&url),
            None => Url::parse(text),
        }
        .map_err(|_| NO_URL)?;
        let is_ssh = matches!(url.scheme(), "ssh" | "git");
        // A user name is part of some clone URLs; a password has leaked.
        if !(is_ssh || matches!(url.scheme(), "https" | "http")) || url.password().is_some() {
            return Err(NO_URL);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NO_URL)?.to_ascii_lowercase();
        let path = url.path().trim_matches('/');
        let segments = path.split('/').filter(|_| !path.is_empty()).map(decode).collect::<Option<_>>();
        Ok(Self {
            host,
            port: url.port(),
            is_ssh,
            segments: segments
                .ok_or(NotAPlace::Invalid("value must have a path without empty or odd parts"))?,
            query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        })
    }

    /// The first value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The path.
    pub(super) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

/// `git@host:path`, as ssh reads it.
fn scp(text: &str) -> Option<String> {
    let (authority, path) = text.split_once(':')?;
    let (user, host) = authority.split_once('@')?;
    let name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    (name(user) && name(host) && !path.starts_with('/')).then(|| format!("ssh://{user}@{host}/{path}"))
}

fn decode(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let odd = text.is_empty()
        || matches!(&*text, "." | "..")
        || text.contains(|letter: char| letter.is_control() || matches!(letter, '/' | '\\'));
    (!odd).then(|| text.into_owned())
}
