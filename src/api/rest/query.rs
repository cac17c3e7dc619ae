//! Query strings.
use url::form_urlencoded;

/// The first value of a parameter, form-decoded; empty if there is none.
pub(super) fn parameter(query: Option<&str>, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}
