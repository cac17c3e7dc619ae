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
/// `INVALID_ARGUMENT` with the position, and never with a piece of the text: it may hold a secret.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, member| !member.is_null());
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            3 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
            2 => any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            let object = prop::collection::btree_map(".{0,3}", inner.clone(), 0..6);
            prop_oneof![
                1 => prop::collection::vec(inner, 0..6).prop_map(Value::from),
                3 => object.prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn nulls_are_taken_out_and_nothing_else(mut document in document(), pretty in any::<bool>()) {
            let text = if pretty { format!("{document:#}") } else { document.to_string() };
            let read: Value = from_slice(text.as_bytes()).unwrap();
            strip(&mut document);
            prop_assert_eq!(read, document);
        }

        #[test]
        fn whatever_is_read_is_json(text in r#"[{}\[\]",:nul\\ude8 1.\-éñ€😀]{0,24}"#) {
            if from_slice::<Value>(text.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
        }
    }
}
