//! Reading protobuf JSON: strict about JSON itself, lenient where the mapping is.
use serde::de::{DeserializeOwned, IgnoredAny};
use tonic::Status;

use super::json_scan::scan;

/// Reads one message.
///
/// `null` means absent for every field. Everything else the mapping allows (both spellings of names, unknown
/// names, numbers as strings, both base64 alphabets) is left to the generated code; what that code and
/// `serde_json` let pass inside unknown fields is refused by [`scan`]. Without a `null` this is one linear scan
/// and one parse.
///
/// # Errors
/// INVALID_ARGUMENT with the position, and never with a piece of the text: it may hold a secret.
pub(super) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Status> {
    let text = std::str::from_utf8(json).map_err(|error| invalid_at(json, error.valid_up_to()))?;
    let nulls = scan(text).map_err(|offset| invalid_at(json, offset))?;
    if nulls.is_empty() {
        return parse(json);
    }
    // Taking members out must not turn a broken text into a good one.
    parse::<IgnoredAny>(json)?;
    let mut without = json.to_vec();
    for range in nulls {
        without[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    parse(&without)
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(json).map_err(|error| invalid(error.line(), error.column()))
}

fn invalid_at(json: &[u8], offset: usize) -> Status {
    let before = &json[..offset.min(json.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    invalid(memchr::memchr_iter(b'\n', before).count() + 1, before.len() - line_start + 1)
}

fn invalid(line: usize, column: usize) -> Status {
    Status::invalid_argument(format!("invalid JSON message at line {line} column {column}"))
}
