//! Reads an RSA public key out of what people send, strictly, and names the cure for what is not taken.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memmem;
use rsa::{
    BigUint, RsaPublicKey,
    pkcs1::RsaPublicKey as Pkcs1,
    pkcs8::{
        EncodePublicKey, ObjectIdentifier, SubjectPublicKeyInfoRef,
        der::{Decode, Header, Reader, SliceReader, Tag, asn1::AnyRef, pem},
    },
};
use serde::Deserialize;

use super::{MAX_DER_BYTES, MAX_TEXT_BYTES, Reason};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
/// The strict reader of PEM wants exactly this at the very beginning, so nothing can stand before it.
const PEM_START: &[u8] = b"-----BEGIN ";

const UNREADABLE: Reason = "value must be an RSA public key as SPKI (DER, or one PEM block PUBLIC KEY), or the 32 \
     raw bytes of an X25519 key";
const TOO_LONG: Reason = "value must be at most 1024 bytes of DER or 2048 bytes of text";
const BAD_PEM: Reason = "value must be exactly one PEM block PUBLIC KEY with nothing before or after it and lines \
     of at most 64 characters";
const BAD_SPKI: Reason = "value must be the strict DER encoding (SPKI) of an RSA public key";
const NOT_RSA: Reason = "value must be an RSA key with the algorithm rsaEncryption, or an X25519 key";
const BAD_JWK: Reason = "value must be a JWK with kty RSA, use absent or enc, alg absent or RSA-OAEP-256";
const PKCS1: Reason = "this is a PKCS#1 key; convert it with: openssl rsa -RSAPublicKey_in -pubout";
const CERTIFICATE: Reason = "this is a certificate; take its key with: openssl x509 -noout -pubkey";
const OPENSSH: Reason = "this is an OpenSSH key; convert it with: ssh-keygen -e -m PKCS8 -f FILE";
const X25519_SPKI: Reason = "this is an X25519 key as SPKI; send the last 32 bytes of its DER encoding, for example: \
     openssl pkey -pubin -outform DER | tail -c 32";

/// Reads an RSA key in any of the containers that are taken. Its numbers are not checked.
pub(super) fn read(bytes: &[u8]) -> Result<RsaPublicKey, Reason> {
    let text = bytes.trim_ascii_end();
    let is_text = text.is_ascii() && !text.is_empty();
    if bytes.len() > if is_text { MAX_TEXT_BYTES } else { MAX_DER_BYTES } {
        return Err(TOO_LONG);
    }
    match text {
        [b'-', ..] if is_text => read_pem(text),
        [b'{', ..] if is_text => read_jwk(text),
        _ if text.starts_with(b"ssh-") => Err(OPENSSH),
        _ if is_text && memmem::find(text, PEM_START).is_some() => Err(BAD_PEM),
        [0x30, ..] => read_der(bytes),
        _ => Err(UNREADABLE),
    }
}

fn read_pem(text: &[u8]) -> Result<RsaPublicKey, Reason> {
    if text.starts_with(b"---- BEGIN SSH2") {
        return Err(OPENSSH);
    }
    if !text.starts_with(PEM_START) {
        return Err(BAD_PEM);
    }
    let (label, der) = pem::decode_vec(text).map_err(|_| BAD_PEM)?;
    match label {
        "PUBLIC KEY" => read_der(&der),
        "RSA PUBLIC KEY" => Err(PKCS1),
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(CERTIFICATE),
        _ => Err(BAD_PEM),
    }
}

fn read_der(der: &[u8]) -> Result<RsaPublicKey, Reason> {
    if der.len() > MAX_DER_BYTES {
        return Err(TOO_LONG);
    }
    let Ok(spki) = SubjectPublicKeyInfoRef::from_der(der) else {
        return Err(other_der(der));
    };
    match spki.algorithm.oid {
        RSA_ENCRYPTION => {}
        X25519 => return Err(X25519_SPKI),
        _ => return Err(NOT_RSA),
    }
    if spki.algorithm.parameters != Some(AnyRef::NULL) {
        return Err(BAD_SPKI);
    }
    let bits = spki.subject_public_key.as_bytes().ok_or(BAD_SPKI)?;
    let inner = Pkcs1::from_der(bits).map_err(|_| BAD_SPKI)?;
    let key = from_numbers(inner.modulus.as_bytes(), inner.public_exponent.as_bytes());
    // Whatever the parser let pass: one key has one encoding.
    let canonical = key.to_public_key_der().map_err(|_| BAD_SPKI)?;
    if canonical.as_bytes() == der { Ok(key) } else { Err(BAD_SPKI) }
}

/// Says what a sequence that is not an SPKI is, by the first elements in it.
fn other_der(der: &[u8]) -> Reason {
    if Pkcs1::from_der(der).is_ok() {
        return PKCS1;
    }
    if looks_like_certificate(der).unwrap_or(false) { CERTIFICATE } else { BAD_SPKI }
}

/// A certificate is a sequence of three, and the first element is a sequence that begins with `[0]`, the
/// version.
fn looks_like_certificate(der: &[u8]) -> Result<bool, rsa::pkcs8::der::Error> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?.tag.assert_eq(Tag::Sequence)?;
    Header::decode(&mut reader)?.tag.assert_eq(Tag::Sequence)?;
    Ok(reader.peek_byte() == Some(0xa0))
}

/// The members of a JWK that matter; unknown ones (`kid`, `key_ops`) are ignored, doubled ones refused.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    n: String,
    e: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
}

fn read_jwk(text: &[u8]) -> Result<RsaPublicKey, Reason> {
    let jwk: Jwk = serde_json::from_slice(text).map_err(|_| BAD_JWK)?;
    let fits = jwk.kty == "RSA"
        && jwk.usage.is_none_or(|usage| usage == "enc")
        && jwk.alg.is_none_or(|alg| alg == "RSA-OAEP-256");
    // RFC 7518: the minimal number of octets, so no leading zero.
    let number = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.first() != Some(&0));
    match (fits, number(&jwk.n), number(&jwk.e)) {
        (true, Some(n), Some(e)) => Ok(from_numbers(&n, &e)),
        _ => Err(BAD_JWK),
    }
}

/// The key with these big-endian numbers; the policy's checks come later.
fn from_numbers(n: &[u8], e: &[u8]) -> RsaPublicKey {
    RsaPublicKey::new_unchecked(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e))
}
