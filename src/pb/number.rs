//! How the generated JSON reads enums and integers: as the protobuf JSON mapping allows them to be spelled.
use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor, value::StrDeserializer},
};

/// Integers of this size and below are the same number as a float, so that nothing is rounded on the way.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number of an enum's value, read from its name or from any number: whether a number that nobody has given a
/// name is fine is for the rules to say, as in binary messages.
pub(crate) struct OpenEnum<E>(pub(crate) i32, PhantomData<E>);

impl<'de, E: Deserialize<'de> + Into<i32>> Deserialize<'de> for OpenEnum<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = |name: &str| {
            // The error would list all names, and is thrown away by whoever reads requests.
            E::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok().map(Into::into)
        };
        deserializer.deserialize_any(Spelled { name }).map(|number| Self(number, PhantomData))
    }
}

/// An integer: bare or in quotes, and also as `1.0` or `1e0` if nothing is lost.
pub(crate) struct Number<T>(pub(crate) T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spelled { name: quoted::<T> }).map(Self)
    }
}

/// The number in quotes, spelled as outside of them.
fn quoted<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if !digit(bytes.first()) || !digit(bytes.last()) {
        return None;
    }
    serde_json::from_str(text).ok().map(|Number(number)| number)
}

/// Reads a number, or what `name` makes of a text.
struct Spelled<F> {
    name: F,
}

impl<T: TryFrom<i128>, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Spelled<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number within its bounds, or its name")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number.into()).map_err(|_| E::invalid_value(Unexpected::Other("number"), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number.into()).map_err(|_| E::invalid_value(Unexpected::Other("number"), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let whole = number.fract() == 0.0 && number.abs() <= EXACT;
        // Whole and small, so this is no more than another way to keep it.
        let number = whole.then_some(number as i128);
        let fitting = number.and_then(|number| T::try_from(number).ok());
        fitting.ok_or_else(|| E::invalid_value(Unexpected::Other("number"), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.name)(text).ok_or_else(|| E::custom("neither a number within its bounds nor a name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::gitpod::v1::RunnerKind;

    fn number<T: TryFrom<i128>>(text: &str) -> Option<T> {
        serde_json::from_str(text).ok().map(|Number(number)| number)
    }

    fn kind(text: &str) -> Option<i32> {
        serde_json::from_str(text).ok().map(|OpenEnum::<RunnerKind>(number, _)| number)
    }

    #[test]
    fn integers_have_many_spellings() {
        for text in ["1", "1.0", "1e0", "10e-1", "0.1e1", "\"1\"", "\"1.0\"", "\"1e0\"", r#""\u0031""#] {
            assert_eq!(number::<i32>(text), Some(1), "{text}");
        }
        assert_eq!(number::<i32>("-0"), Some(0));
        assert_eq!(number::<i32>("-2147483648.0"), Some(i32::MIN));
        assert_eq!(number::<u64>("18446744073709551615"), Some(u64::MAX));
        assert_eq!(number::<u64>("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!(number::<u64>("9007199254740992.0"), Some(1 << 53));
    }

    #[test]
    fn what_is_no_integer_or_too_large_is_refused() {
        for text in [
            "1.5",
            "\"1.5\"",
            "2147483648",
            "2147483648.0",
            "1e300",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\" 1\"",
            "\"1 \"",
            "\"+1\"",
            "\"01\"",
            "\"0x1\"",
            "\"one\"",
            "\"NaN\"",
            "\"-\"",
            "\"\\\"1\\\"\"",
        ] {
            assert_eq!(number::<i32>(text), None, "{text}");
        }
        assert_eq!(number::<u64>("-1"), None);
        // As a float it may have been its neighbour.
        assert_eq!(number::<u64>("9007199254740994.0"), None);
    }

    #[test]
    fn enums_keep_numbers_without_a_name() {
        for (text, expected) in [
            ("\"RUNNER_KIND_REMOTE\"", Some(2)),
            ("2", Some(2)),
            ("2.0", Some(2)),
            ("99", Some(99)),
            ("-1", Some(-1)),
            ("2147483648", None),
            ("1.5", None),
            ("\"2\"", None),
            ("\"REMOTE\"", None),
            ("true", None),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
