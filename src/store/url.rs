//! Where a database is, as the operator writes it.
use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// What a PostgreSQL URL may say after its `?`.
const KNOWN: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// `sqlite://PATH`, `postgres://USER:PASSWORD@HOST/NAME`, or empty. It may hold a password: it prints nothing
/// of itself and is wiped when dropped.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// Whether it holds a password, before its host or among its parameters.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold any character that was not escaped, so the last @ ends it.
        let user = address.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':') || parameters.split('&').any(|one| one.starts_with("password="))
    }

    /// The name of a parameter that PostgreSQL's driver does not know. It would warn of it, with its value, and go on
    /// without: a mistyped `password` ends up in the log.
    #[must_use]
    pub fn unknown_parameter(&self) -> Option<&str> {
        let (_, parameters) = self.0.split_once('?')?;
        let mut names = parameters.split('&').map(|one| one.split_once('=').map_or(one, |(name, _)| name));
        names.find(|name| !name.is_empty() && !name.starts_with("options[") && !KNOWN.contains(name))
    }

    /// The URL itself, for connecting.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(Zeroizing::new(url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_seen_where_they_may_stand() {
        let has = |url: &str| DatabaseUrl::from(url.to_owned()).has_password();
        for url in [
            "postgres://u:p@h/db",
            "postgresql://u:p/@w@h:5432/db",
            "postgres://h/db?a=b&password=p",
            "x://:p@h",
        ] {
            assert!(has(url), "{url}");
        }
        let unknown = |url: &str| DatabaseUrl::from(url.to_owned()).unknown_parameter().map(str::to_owned);
        assert_eq!(unknown("postgres://h/db?sslmode=require&passwrd=p"), Some("passwrd".to_owned()));
        assert_eq!(unknown("postgres://h/db?sslmode=require&options[search_path]=x"), None);
        for url in ["", "postgres://h:5432/db", "postgres://u@h:5432/db?sslmode=require", "sqlite://a:b.db"] {
            assert!(!has(url), "{url}");
        }
    }
}
