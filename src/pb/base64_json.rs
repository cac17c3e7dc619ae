//! Bytes in JSON.
use base64_simd::STANDARD;
use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;

/// Bytes that become a base64 string, which is written without a search for characters to escape.
pub(super) struct Base64<'b>(pub(super) &'b [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len().div_ceil(3) * 4 + 2);
        text.push('"');
        STANDARD.encode_append(self.0, &mut text);
        text.push('"');
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }
}
