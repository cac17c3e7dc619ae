//! What must not open: edited, moved, misspelled, or sealed correctly under a wrong header.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sealink::seal::{
    Field, Place,
    challenge::PREFIX,
    jwe,
    key::{RsaKey, X25519Key},
    sealed_box,
};
use uuid::uuid;
use zeroize::Zeroizing;

use super::{
    make::{digest, spot, token},
    shape::{Bad, Encoded},
};
use crate::{
    seal::hex,
    seal_fixtures::{REGISTRATION, RUNNER, github, public_key},
};

const OTHER: uuid::Uuid = uuid!("0198a7c0-0000-7000-8000-000000000009");

fn bad(name: impl Into<String>, sealed: impl Into<String>, failure: &str) -> Bad {
    Bad {
        name: name.into(),
        place: spot(&github()),
        kid: None,
        challenge: false,
        sealed: Encoded::Token(sealed.into()),
        failure: failure.to_owned(),
        any_opener: false,
    }
}

/// The same, refused by every opener.
fn anywhere(name: impl Into<String>, sealed: impl Into<String>, failure: &str) -> Bad {
    Bad { any_opener: true, ..bad(name, sealed, failure) }
}

/// Everything for an RSA key.
pub(super) fn tokens(file: &str, key: &RsaKey) -> Vec<Bad> {
    let header = jwe::secret_header(&github(), key.kid());
    let good = token(key, &format!("{file}/bad"), &header, b"s3cret");
    [
        moved(&good),
        edited(&good),
        misspelled(&good),
        headers(file, key, &header),
        lengths(file, key, &header),
        challenges(file, key),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A good token, presented for another place or under another key's name.
fn moved(good: &str) -> Vec<Bad> {
    let places = [
        (
            "another runner",
            Place { runner: sealink::domain::id::RunnerId(OTHER), ..github() },
            "rejected:aud",
        ),
        ("another integration", Place { sub: OTHER, ..github() }, "rejected:sub"),
        ("another field", Place { field: Field::ValidateClientSecret, ..github() }, "rejected:ctx"),
        ("another host", Place { a: "evil.example", ..github() }, "rejected:ctx"),
        ("another issuer", Place { b: "https://evil.example", ..github() }, "rejected:ctx"),
        ("another client id", Place { c: "another", ..github() }, "rejected:ctx"),
    ];
    let moved = places.map(|(name, place, failure)| Bad { place: spot(&place), ..bad(name, good, failure) });
    let other = public_key("other-2048").kid().0.clone();
    let unknown = Bad { kid: Some(other), ..bad("a kid that is not there", good, "unknown_kid") };
    moved.into_iter().chain([unknown]).collect()
}

/// One bit of each part flipped, parts cut and exchanged.
fn edited(good: &str) -> Vec<Bad> {
    let parts: Vec<Vec<u8>> =
        good.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = parts.clone();
        parts[at] = part;
        parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".")
    };
    let flipped = |at: usize, byte: usize, bit: u8| {
        let mut part = parts[at].clone();
        part[byte] ^= bit;
        with(at, part)
    };
    let cut = |at: usize| with(at, parts[at][..parts[at].len() - 1].to_vec());
    vec![
        // "alg" becomes "amg" and so on: the tag covers every bit of the header.
        anywhere("header, one bit", flipped(0, 4, 1), "rejected:header"),
        anywhere("kid, one bit", flipped(0, 75, 2), "rejected:kid"),
        anywhere("ek, first bit", flipped(1, 0, 128), "undecryptable"),
        anywhere("ek, last bit", flipped(1, parts[1].len() - 1, 1), "undecryptable"),
        anywhere("iv, one bit", flipped(2, 11, 1), "undecryptable"),
        anywhere("ciphertext, one bit", flipped(3, 0, 1), "undecryptable"),
        anywhere("tag, first bit", flipped(4, 0, 128), "undecryptable"),
        anywhere("tag, last bit", flipped(4, 15, 1), "undecryptable"),
        anywhere("ek of zeros", with(1, vec![0; parts[1].len()]), "undecryptable"),
        anywhere("ek of ones", with(1, vec![255; parts[1].len()]), "undecryptable"),
        anywhere("ek truncated", cut(1), "rejected:length"),
        anywhere("ek empty", with(1, Vec::new()), "rejected:length"),
        anywhere("iv truncated", cut(2), "rejected:malformed"),
        anywhere("iv of 16 bytes", with(2, [parts[2].as_slice(), &[0; 4]].concat()), "rejected:malformed"),
        anywhere("ciphertext truncated", cut(3), "undecryptable"),
        anywhere("ciphertext empty", with(3, Vec::new()), "rejected:length"),
        anywhere("tag truncated", cut(4), "rejected:malformed"),
        anywhere("tag of 12 bytes", with(4, parts[4][..12].to_vec()), "rejected:malformed"),
        anywhere("tag empty", with(4, Vec::new()), "rejected:malformed"),
    ]
}

/// The same bytes in other letters, and other numbers of parts.
fn misspelled(good: &str) -> Vec<Bad> {
    let malformed = "rejected:malformed";
    let parts: Vec<&str> = good.split('.').collect();
    let mut found = vec![
        anywhere("four parts", parts[..4].join("."), malformed),
        anywhere("six parts", format!("{good}.AA"), malformed),
        anywhere("empty", "", malformed),
        bad("a line break at the end", format!("{good}\n"), malformed),
    ];
    for (at, name) in ["header", "ek", "iv", "ciphertext", "tag"].into_iter().enumerate() {
        let with = |part: String| {
            let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            parts[at] = part;
            parts.join(".")
        };
        found.push(bad(format!("{name} padded"), with(format!("{}==", parts[at])), malformed));
        found.push(bad(format!("{name} with a space"), with(format!("{} ", parts[at])), malformed));
        if !parts[at].len().is_multiple_of(4) {
            let (rest, last) = parts[at].split_at(parts[at].len() - 1);
            let next = char::from(last.as_bytes()[0] + 1);
            found.push(bad(format!("{name} with an unused bit"), with(format!("{rest}{next}")), malformed));
        }
    }
    found
}

/// Correctly sealed, under a header that is not the one for the place.
fn headers(file: &str, key: &RsaKey, good: &str) -> Vec<Bad> {
    let seal = |name: &str, header: &str| token(key, &format!("{file}/header/{name}"), header, b"s3cret");
    let other_kid = public_key("other-2048").kid().0.clone();
    let altered = [
        ("alg", good.replace("RSA-OAEP-256", "RSA-OAEP"), "alg", true),
        ("alg RSA1_5", good.replace("RSA-OAEP-256", "RSA1_5"), "alg", true),
        ("alg dir", good.replace("RSA-OAEP-256", "dir"), "alg", true),
        ("alg none", good.replace("RSA-OAEP-256", "none"), "alg", true),
        ("enc", good.replace("A256GCM", "A128GCM"), "alg", true),
        ("typ", good.replace(jwe::SECRET_TYPE, jwe::CHALLENGE_TYPE), "typ", false),
        ("kid", good.replace(&key.kid().0, &other_kid), "kid", false),
        ("aud", good.replace("00000001\"", "00000009\""), "aud", false),
        ("sub", good.replace("00000002\"", "00000009\""), "sub", false),
        ("ctx", good.replace("\"pVi-", "\"qVi-"), "ctx", false),
        ("white space", good.replace(',', ", "), "header", false),
        ("zip added", good.replace('}', r#","zip":"DEF"}"#), "header", true),
        ("crit added", good.replace('}', r#","crit":["exp"]}"#), "header", true),
        ("not an object", "[]".to_owned(), "header", true),
    ];
    let mut found: Vec<Bad> = Vec::new();
    for (name, header, reason, any_opener) in altered {
        let name = format!("{name} altered");
        found.push(Bad { any_opener, ..bad(&name, seal(&name, &header), &format!("rejected:{reason}")) });
    }
    let members: Vec<&str> = good[1..good.len() - 1].split(',').collect();
    let named = ["alg", "enc", "typ", "kid", "aud", "sub", "ctx"];
    for (at, member) in named.into_iter().enumerate() {
        let mut add = |what: &str, members: &[&str], any_opener: bool| {
            let name = format!("{member} {what}");
            let sealed = seal(&name, &format!("{{{}}}", members.join(",")));
            found.push(Bad { any_opener, ..bad(name, sealed, "rejected:header") });
        };
        let mut missing = members.clone();
        missing.remove(at);
        add("missing", &missing, at < 2);
        let mut doubled = members.clone();
        doubled.insert(at, members[at]);
        add("doubled", &doubled, false);
        let mut reordered = members.clone();
        reordered.swap(at, (at + 1) % members.len());
        add("reordered", &reordered, false);
    }
    found
}

/// Correctly sealed, but too short, too long, for another key, or no secret.
fn lengths(file: &str, key: &RsaKey, header: &str) -> Vec<Bad> {
    let seal =
        |name: &str, plaintext: &[u8]| token(key, &format!("{file}/plaintext/{name}"), header, plaintext);
    let mut found = vec![
        bad("an empty secret", seal("empty", b""), "rejected:length"),
        bad("4097 bytes", seal("4097", &[b's'; 4_097]), "rejected:length"),
    ];
    let plaintexts: [(&str, &[u8]); 4] =
        [("NUL", b"a\0b"), ("a line break", b"secret\n"), ("a space", b" secret"), ("no UTF-8", b"\xff\xfe")];
    for (name, plaintext) in plaintexts {
        found.push(bad(format!("a secret with {name}"), seal(name, plaintext), "rejected:plaintext"));
    }
    let other = public_key("other-2048");
    if let (sealink::seal::PublicKey::Rsa(other), 256) = (&other, key.modulus_bytes()) {
        let foreign = token(other, &format!("{file}/foreign"), header, b"s3cret");
        found.push(anywhere("wrapped for another key", foreign, "undecryptable"));
    }
    found
}

/// Presented as registration challenges.
fn challenges(file: &str, key: &RsaKey) -> Vec<Bad> {
    let seal = |name: &str, header: &str, plaintext: &[u8]| {
        token(key, &format!("{file}/challenge/{name}"), header, plaintext)
    };
    let header = jwe::challenge_header(RUNNER, REGISTRATION, key.kid());
    let other = jwe::challenge_header(RUNNER, sealink::domain::id::RegistrationId(OTHER), key.kid());
    let plaintext = [PREFIX, &[7; 32]].concat();
    let secret = jwe::secret_header(&github(), key.kid());
    [
        ("a secret as challenge", seal("secret", &secret, &[b's'; 53]), "rejected:typ"),
        ("a challenge of another registration", seal("other", &other, &plaintext), "rejected:sub"),
        ("a challenge without its prefix", seal("prefix", &header, &[b's'; 53]), "rejected:plaintext"),
        ("a challenge that is too short", seal("short", &header, &plaintext[..52]), "rejected:length"),
        ("a challenge that is too long", seal("long", &header, &[b's'; 54]), "rejected:length"),
    ]
    .map(|(name, sealed, failure)| Bad { challenge: true, ..bad(name, sealed, failure) })
    .into()
}

/// Everything for an X25519 key.
pub(super) fn boxes(key: &X25519Key) -> Vec<Bad> {
    let seal = |name: &str, plaintext: &[u8]| {
        sealed_box::seal(key, plaintext, Zeroizing::new(digest(&format!("x25519/bad/{name}"))))
            .expect("seals")
    };
    let good = seal("good", b"s3cret");
    let boxed = |name: &str, bytes: &[u8], failure: &str, any_opener: bool| Bad {
        sealed: Encoded::Hex(hex(bytes)),
        any_opener,
        ..bad(name, "", failure)
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let undecryptable = "undecryptable";
    let other = public_key("other-2048").kid().0.clone();
    vec![
        boxed("ephemeral key, one bit", &flipped(0), undecryptable, true),
        boxed("MAC, one bit", &flipped(32), undecryptable, true),
        boxed("ciphertext, one bit", &flipped(48), undecryptable, true),
        boxed("truncated", &good[..good.len() - 1], undecryptable, true),
        boxed("one byte more", &[good.as_slice(), &[0]].concat(), undecryptable, true),
        boxed("ephemeral key of low order", &[&[0; 32], &good[32..]].concat(), undecryptable, true),
        boxed("zeros", &[0; 60], undecryptable, true),
        boxed("empty", b"", "rejected:length", true),
        boxed("47 bytes", &good[..47], "rejected:length", true),
        boxed("an empty secret", &seal("empty", b""), "rejected:length", false),
        boxed("4097 bytes", &seal("4097", &[b's'; 4_097]), "rejected:length", false),
        boxed("a secret with a line break", &seal("line", b"secret\n"), "rejected:plaintext", false),
        boxed("a secret with NUL", &seal("nul", b"a\0b"), "rejected:plaintext", false),
        Bad { kid: Some(other), ..boxed("a kid that is not there", &good, "unknown_kid", false) },
        Bad {
            challenge: true,
            ..boxed("a secret as challenge", &seal("c", &[b's'; 53]), "rejected:plaintext", false)
        },
        Bad {
            challenge: true,
            ..boxed("a short challenge", &seal("d", PREFIX), "rejected:malformed", false)
        },
    ]
}
