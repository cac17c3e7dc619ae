//! Recognises private keys that were sent by mistake.
use memchr::memmem;
use rsa::pkcs8::der::{Decode, Header, Reader, SliceReader, Tag};

use super::Reason;

/// The answer to a private key. It has travelled and must not be used again.
pub(super) const REFUSAL: Reason = "this is a private key: it has left its machine and must be considered \
     compromised. Discard it, generate a new key pair and send only the public key";

/// Texts that only private keys contain.
const MARKS: [&[u8]; 3] = [b"PRIVATE KEY", b"PuTTY-User-Key-File", b"Private-Lines"];

/// Whether `bytes` are a private key, or text that contains one.
pub(super) fn looks_private(bytes: &[u8]) -> bool {
    MARKS.iter().any(|mark| memmem::find(bytes, mark).is_some())
        || is_private_der(bytes).unwrap_or(false)
        || is_private_jwk(bytes)
}

/// PKCS#8, PKCS#1 and SEC 1 private keys are sequences that begin with a version number, 0 or 1. Of a public
/// key's encodings none is: SPKI and certificates begin with a sequence, PKCS#1 with the modulus.
fn is_private_der(bytes: &[u8]) -> Result<bool, rsa::pkcs8::der::Error> {
    let mut reader = SliceReader::new(bytes)?;
    Header::decode(&mut reader)?.tag.assert_eq(Tag::Sequence)?;
    let version = Header::decode(&mut reader)?;
    version.tag.assert_eq(Tag::Integer)?;
    Ok(u32::from(version.length) == 1 && matches!(reader.read_byte()?, 0 | 1))
}

/// The members that RFC 7518 defines for private and for symmetric keys.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// A JWK, or whatever text has JWKs in it, with a member of a private key. Names are compared as JSON means them
/// (`"\u0064"` is `"d"`), at any depth, and also in JSON that is broken elsewhere: its key is as compromised.
fn is_private_jwk(bytes: &[u8]) -> bool {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return false;
    }
    let mut rest = bytes;
    while let Some((text, after)) = next_string(rest) {
        if after.trim_ascii_start().starts_with(b":") && is_private_member(text) {
            return true;
        }
        rest = after;
    }
    false
}

/// The next JSON string with its quotes, and what follows it.
fn next_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let string = &text[memchr::memchr(b'"', text)?..];
    let mut end = 1;
    loop {
        match string.get(end)? {
            b'"' => return Some(string.split_at(end + 1)),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

fn is_private_member(name: &[u8]) -> bool {
    serde_json::from_slice::<String>(name).is_ok_and(|name| PRIVATE_MEMBERS.contains(&&*name))
}
