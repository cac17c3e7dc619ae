//! Settings in the environment.
use std::env::{self, VarError};

use strsim::levenshtein;
use toml::Table;

use super::{SHORT, refuse};
use crate::error::Result;

/// What a platform of containers tells about other services, in names like `SEALINK_DATABASE_PORT_5432_TCP_ADDR`
/// for a service `sealink-database`: <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// `SEALINK_SECTION_NAME` for every known key, and the shorter names: key and value of those that are set.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) for a name that begins with a section and names no key of it,
/// and for a value that is no text.
pub(super) fn settings(known: &Table) -> Result<Vec<(String, String)>> {
    let names = names(known);
    for (name, value) in env::vars_os() {
        if let Some(name) = name.to_str() {
            check_name(known, &names, name, &value.to_string_lossy())?;
        }
    }
    let short = SHORT.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned()));
    let read = |(name, key): (String, String)| match env::var(&name) {
        Ok(value) => Some(Ok((key, value))),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => Some(Err(refuse(format!("{name}: must be UTF-8 text")))),
    };
    names.into_iter().chain(short).filter_map(read).collect()
}

/// Every name with its key.
fn names(known: &Table) -> Vec<(String, String)> {
    let sections = known.iter().filter_map(|(section, values)| Some((section, values.as_table()?)));
    let names = sections.flat_map(|(section, values)| {
        values.keys().map(move |key| (format!("{}{key}", prefix(section)), format!("{section}.{key}")))
    });
    names.map(|(name, key)| (name.to_ascii_uppercase(), key)).collect()
}

/// What the names of a section's keys begin with.
fn prefix(section: &str) -> String {
    format!("SEALINK_{section}_").to_ascii_uppercase()
}

/// A name that begins like a setting must be one: a typing error would silently leave the default. Other names
/// are other people's.
fn check_name(known: &Table, names: &[(String, String)], name: &str, value: &str) -> Result<()> {
    let Some(rest) = known.keys().find_map(|section| name.strip_prefix(&prefix(section))) else {
        return Ok(());
    };
    if names.iter().any(|(known, _)| known == name) || tells_of_a_service(rest, value) {
        return Ok(());
    }
    let nearest = names.iter().map(|(known, _)| known).min_by_key(|known| levenshtein(known, name));
    let nearest = nearest.map(String::as_str).unwrap_or_default();
    Err(refuse(format!("{name}: there is no such setting; did you mean {nearest}?")))
}

/// Whether a container platform set the variable, to say where a service is.
fn tells_of_a_service(rest: &str, value: &str) -> bool {
    let is_url = || value.split_once("://").is_some_and(|(protocol, _)| PROTOCOLS.contains(&protocol));
    let rest = format!("_{rest}");
    let numbered =
        rest.split_once("_PORT_").is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()));
    rest.ends_with("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || numbered
        || (rest.ends_with("_PORT") && is_url())
}

#[cfg(test)]
mod tests {
    use super::{check_name, names};
    use crate::config::DEFAULTS;

    /// The refusal of a variable; empty if it is none of ours or fine.
    fn refusal(name: &str, value: &str) -> String {
        let known = DEFAULTS.parse().expect("the defaults");
        let checked = check_name(&known, &names(&known), name, value);
        checked.err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_mistyped_name_is_told_with_the_nearest() {
        for (name, nearest) in [
            ("SEALINK_LIMITS_CONNECTONS", "SEALINK_LIMITS_CONNECTIONS"),
            ("SEALINK_LIMITS_CONNECTIONS_PER_UP", "SEALINK_LIMITS_CONNECTIONS_PER_IP"),
            ("SEALINK_SCM_ALLOWED_ORIGIN", "SEALINK_SCM_ALLOWED_ORIGINS"),
            ("SEALINK_DATABASE_URI", "SEALINK_DATABASE_URL"),
            ("SEALINK_LOG_LEVL", "SEALINK_LOG_LEVEL"),
            ("SEALINK_SERVER_LISTEN_", "SEALINK_SERVER_LISTEN"),
        ] {
            let expected = format!("{name}: there is no such setting; did you mean {nearest}?");
            assert_eq!(refusal(name, "canary-value-4711"), expected);
        }
        assert!(refusal("SEALINK_SERVER_PORT", "7400").contains("no such setting"));
        assert!(refusal("SEALINK_DATABASE_", "").contains("no such setting"));
    }

    #[test]
    fn other_names_are_other_peoples() {
        for (name, value) in [
            ("SEALINK_LIMITS_CONNECTIONS", "5"),
            ("SEALINK_LOG", "info"),
            ("SEALINK_LISTEN", "127.0.0.1:0"),
            ("SEALINK_ADMIN_TOKEN", ""),
            ("SEALINK_SCHEMA", "f"),
            ("SEALINK_LIMIT_CONNECTIONS", "5"),
            ("OTHER_LIMITS_CONNECTONS", "5"),
            ("SEALINK_DATABASE_SERVICE_HOST", "10.0.0.1"),
            ("SEALINK_DATABASE_SERVICE_PORT", "5432"),
            ("SEALINK_DATABASE_SERVICE_PORT_POSTGRES", "5432"),
            ("SEALINK_DATABASE_PORT", "tcp://10.0.0.1:5432"),
            ("SEALINK_DATABASE_PORT_5432_TCP_ADDR", "10.0.0.1"),
            ("SEALINK_SERVER_EU_PORT_7400_TCP", "tcp://10.0.0.1:7400"),
        ] {
            assert_eq!(refusal(name, value), "", "{name}");
        }
    }
}
