//! Connect GET: the whole request is in the query.
use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use tonic::Status;

use super::codec::Format;

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parameters of a GET, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GetQuery {
    /// The message, still compressed if `compression` says so.
    pub(super) message: Vec<u8>,
    /// The name of the message's compression.
    pub(super) compression: Option<String>,
}

impl GetQuery {
    /// The message encoding a query names, if it names one that exists.
    pub(super) fn format(query: &str) -> Option<Format> {
        match pairs(query).find(|(name, _)| *name == "encoding")?.1.as_ref() {
            b"json" => Some(Format::Json),
            b"proto" => Some(Format::Proto),
            _ => None,
        }
    }

    /// Reads `message`, `base64`, `compression` and `connect`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `message` is missing or not what `base64=1` promises, or `connect` is not `v1`.
    pub(super) fn parse(query: &str) -> Result<Self, Status> {
        let (mut message, mut base64, mut compression) = (None, false, None);
        for (name, value) in pairs(query) {
            match name {
                "message" => message = Some(value.into_owned()),
                "base64" => base64 = *value == *b"1",
                "compression" => compression = Some(String::from_utf8_lossy(&value).into_owned()),
                "connect" if *value != *b"v1" => {
                    return Err(Status::invalid_argument("connect: must be \"v1\""));
                }
                _ => {}
            }
        }
        let message = message.ok_or_else(|| Status::invalid_argument("message: missing query parameter"))?;
        let message = if base64 { decode(&message)? } else { message };
        Ok(Self { message, compression })
    }
}

fn decode(message: &[u8]) -> Result<Vec<u8>, Status> {
    URL_SAFE.decode(message).map_err(|_| Status::invalid_argument("message: must be URL-safe base64"))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
    query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name, unescape(value))
    })
}

/// Form decoding: `+` is a space.
fn unescape(value: &str) -> Cow<'_, [u8]> {
    if value.contains('+') {
        let spaced = value.replace('+', " ");
        return Cow::Owned(percent_encoding::percent_decode_str(&spaced).collect());
    }
    percent_encoding::percent_decode_str(value).into()
}
