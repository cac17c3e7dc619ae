//! What each rule means, with the ids and the words of protovalidate, so that clients that know it feel at
//! home. None of them repeats the value.
use std::borrow::Cow;

use super::{Path, uri};
use crate::error::Violation;

/// Whether a field without presence counts as set.
pub(super) fn populated<T: Default + PartialEq>(value: &T) -> bool {
    *value != T::default()
}

/// A message that must be there and is not.
pub(super) fn required(at: &Path<'_>, found: &mut Vec<Violation>) {
    broken(at, found, "required", "value is required");
}

/// Hyphenated 8-4-4-4-12 hexadecimal digits of any case, version and variant; no braces, no `urn:`.
pub(super) fn string_uuid(value: &str, at: &Path<'_>, found: &mut Vec<Violation>) {
    if value.is_empty() {
        broken(at, found, "string.uuid_empty", "value is empty, which is not a valid UUID");
    } else if !is_uuid(value.as_bytes()) {
        broken(at, found, "string.uuid", "value must be a valid UUID");
    }
}

/// An absolute URI of RFC 3986.
pub(super) fn string_uri(value: &str, at: &Path<'_>, found: &mut Vec<Violation>) {
    if !uri::is_absolute(value) {
        broken(at, found, "string.uri", "value must be a valid URI");
    }
}

/// Exactly `len` code points.
pub(super) fn string_len(value: &str, len: usize, at: &Path<'_>, found: &mut Vec<Violation>) {
    if value.chars().take(len.saturating_add(1)).count() != len {
        broken(at, found, "string.len", format!("value length must be {len} characters"));
    }
}

/// At least `least` code points.
pub(super) fn string_min_len(value: &str, least: usize, at: &Path<'_>, found: &mut Vec<Violation>) {
    if value.chars().take(least).count() < least {
        broken(at, found, "string.min_len", format!("value length must be at least {least} characters"));
    }
}

/// At most `most` code points.
pub(super) fn string_max_len(value: &str, most: usize, at: &Path<'_>, found: &mut Vec<Violation>) {
    if value.chars().nth(most).is_some() {
        broken(at, found, "string.max_len", format!("value length must be at most {most} characters"));
    }
}

/// From `least` to `most`, both included.
pub(super) fn int32_gte_lte(value: i32, least: i32, most: i32, at: &Path<'_>, found: &mut Vec<Violation>) {
    if !(least..=most).contains(&value) {
        let message =
            format!("value must be greater than or equal to {least} and less than or equal to {most}");
        broken(at, found, "int32.gte_lte", message);
    }
}

/// A number the enum has a name for, UNSPECIFIED included.
pub(super) fn enum_defined_only(defined: bool, at: &Path<'_>, found: &mut Vec<Violation>) {
    if !defined {
        broken(at, found, "enum.defined_only", "value must be one of the defined enum values");
    }
}

pub(super) fn min_items(len: usize, least: usize, at: &Path<'_>, found: &mut Vec<Violation>) {
    if len < least {
        broken(at, found, "repeated.min_items", format!("value must contain at least {least} item(s)"));
    }
}

pub(super) fn max_items(len: usize, most: usize, at: &Path<'_>, found: &mut Vec<Violation>) {
    if len > most {
        broken(at, found, "repeated.max_items", format!("value must contain no more than {most} item(s)"));
    }
}

fn is_uuid(value: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    value.len() == 36 && value.iter().enumerate().all(fits)
}

fn broken(
    at: &Path<'_>,
    found: &mut Vec<Violation>,
    rule: &'static str,
    message: impl Into<Cow<'static, str>>,
) {
    found.push(Violation { field: at.to_string(), rule: rule.into(), message: message.into() });
}
