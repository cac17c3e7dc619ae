//! Where a database is, as the operator writes it.
use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// `sqlite://PATH`, `postgres://USER:PASSWORD@HOST/NAME`, or empty. It may hold a password: it prints nothing
/// of itself and is wiped when dropped.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
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
