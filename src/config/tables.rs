//! Settings as tables of TOML, before they have their types.
use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::refuse;
use crate::error::{Error, Result};

/// The least and the most that each number may be: no server can work beyond, or safely.
const BOUNDS: [(&str, RangeInclusive<i64>); 4] = [
    ("limits.connections", 1..=1_000_000),
    ("limits.connections_per_ip", 1..=1_000_000),
    ("limits.message_bytes", 1_024..=4 * 1_024 * 1_024),
    ("limits.request_timeout_seconds", 1..=3_600),
];

/// Numbers are checked while they still have their sign and their key.
pub(super) fn check_bounds(settings: &Table) -> Result<()> {
    for (key, bounds) in BOUNDS {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let value = settings.get(section).and_then(|values| values.get(name)).and_then(Value::as_integer);
        if !value.is_some_and(|value| bounds.contains(&value)) {
            let (least, most) = bounds.into_inner();
            return Err(refuse(format!("{key}: must be a whole number from {least} to {most}")));
        }
    }
    Ok(())
}

/// A type error with its key, which the library tells in a line of its own.
pub(super) fn mistyped(error: &toml::de::Error) -> Error {
    let text = error.to_string();
    let key = text.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
    refuse(format!("{}: {}", key.unwrap_or("settings"), error.message()))
}

pub(super) fn parse(name: &str, text: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| refuse(format!("{name}: {}", error.message())))
}

/// Puts a file's values over the defaults; a key that has no default is unknown.
pub(super) fn overlay(settings: &mut Table, file: Table, name: &str) -> Result<()> {
    for (section, values) in file {
        let Some(Value::Table(known)) = settings.get_mut(&section) else {
            return Err(refuse(format!("{name}: unknown section [{section}]")));
        };
        let Value::Table(values) = values else {
            return Err(refuse(format!("{name}: {section} must be a section")));
        };
        for (key, value) in values {
            if !known.contains_key(&key) {
                return Err(refuse(format!("{name}: unknown key {section}.{key}")));
            }
            known.insert(key, value);
        }
    }
    Ok(())
}

/// Sets one key from text, in the type its default has.
pub(super) fn set(settings: &mut Table, key: &str, text: &str) -> Result<()> {
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    let known =
        settings.get_mut(section).and_then(Value::as_table_mut).and_then(|values| values.get_mut(name));
    let Some(value) = known else { return Err(refuse(format!("unknown setting {key}"))) };
    *value = match value {
        Value::Integer(_) => {
            text.parse().map(Value::Integer).map_err(|_| refuse(format!("{key}: must be a whole number")))?
        }
        Value::Boolean(_) => {
            text.parse().map(Value::Boolean).map_err(|_| refuse(format!("{key}: must be true or false")))?
        }
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    Ok(())
}
