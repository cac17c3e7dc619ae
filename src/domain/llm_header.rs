//! Request headers of LLM integrations. Their values are secrets.
use serde::{Deserialize, Serialize};

use crate::{
    domain::secret::{Plaintext, Sealed, Secret},
    error::{Error, Result},
};

/// The most headers one integration may have.
pub const MAX_HEADERS: usize = 32;
const MAX_NAME: usize = 255;
/// Headers that frame a request or say where it goes: they are the client's own.
const REFUSED: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
];

/// How a header's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeaderKind {
    /// Sent as it is, if the request has no such header.
    Literal,
    /// An expression, evaluated for each request by the runner.
    Cel,
}

/// A header as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name, as it was given.
    pub name: String,
    /// How its value is read.
    pub kind: HeaderKind,
    /// Its sealed value; `None` after its key was revoked, until it is entered again.
    pub value: Option<Sealed>,
}

/// A header to be stored.
#[derive(Debug)]
pub struct NewHeader {
    /// Its name.
    pub name: String,
    /// How its value is read.
    pub kind: HeaderKind,
    /// Its value, to be sealed.
    pub value: Secret,
}

/// A header as a request has it.
#[derive(Debug)]
pub struct HeaderDraft {
    /// As sent.
    pub name: String,
    /// As sent.
    pub kind: HeaderKind,
    /// As sent; `None` if it is not UTF-8.
    pub value: Option<Plaintext>,
}

/// Checks all headers of a request: names are those of HTTP and different, values are secrets.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the first that breaks a rule.
pub fn check_headers(drafts: Vec<HeaderDraft>) -> Result<Vec<NewHeader>> {
    if drafts.len() > MAX_HEADERS {
        let message = format!("value must contain no more than {MAX_HEADERS} item(s)");
        return Err(Error::invalid("request_headers", "repeated.max_items", message));
    }
    let mut headers: Vec<NewHeader> = Vec::new();
    for (index, HeaderDraft { name, kind, value }) in drafts.into_iter().enumerate() {
        let refuse =
            |message| Err(Error::invalid(format!("request_headers[{index}].key"), "sealink.header", message));
        if !is_name(&name) {
            return refuse("value must be the name of an HTTP header");
        }
        if REFUSED.contains(&name.to_ascii_lowercase().as_str()) {
            return refuse("value must not be a header that frames the request");
        }
        if headers.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            return refuse("value must not be there twice");
        }
        let field = format!("request_headers[{index}].value");
        let value =
            value.ok_or_else(|| Error::invalid(&field, "sealink.secret", "value must be UTF-8 text"))?;
        headers.push(NewHeader { name, kind, value: value.parse(&field)? });
    }
    Ok(headers)
}

/// A token of RFC 9110.
fn is_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: &str, value: &str) -> HeaderDraft {
        let value = Some(Plaintext::new(value.to_owned()));
        HeaderDraft { name: name.to_owned(), kind: HeaderKind::Literal, value }
    }

    #[test]
    fn names_are_of_http_and_different() {
        let good = check_headers(vec![draft("X-Team", "a"), draft("x-other", "b")]).unwrap();
        assert_eq!(good.iter().map(|header| header.name.as_str()).collect::<Vec<_>>(), ["X-Team", "x-other"]);
        for (name, value, field) in [
            ("", "a", "key"),
            ("a b", "a", "key"),
            ("a:b", "a", "key"),
            ("Host", "a", "key"),
            ("x-TEAM", "a", "key"),
            ("x-line", "a\r\nb: c", "value"),
            ("x-empty", "", "value"),
        ] {
            let error = check_headers(vec![draft("X-Team", "a"), draft(name, value)]).unwrap_err();
            assert_eq!(error.violations()[0].field, format!("request_headers[1].{field}"), "{name:?}");
        }
        let many = (0..=MAX_HEADERS).map(|number| draft(&format!("x-{number}"), "a")).collect();
        assert!(check_headers(many).is_err());
    }
}
