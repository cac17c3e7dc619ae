//! Makes the vectors. Everything "random" is the hash of a name, so making them twice gives the same files.
use sealink::{
    domain::secret::Secret,
    seal::{Place, PublicKey, jwe, key::RsaKey, seal, sealed_box},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    bad,
    shape::{Accepted, Encoded, Good, Key, Keys, Random, Refused, Spot, Vectors},
};
use crate::{
    seal::hex,
    seal_fixtures::{github, public_key},
};

/// The file's text: indented JSON with a line break at the end.
pub(super) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("JSON") + "\n"
}

/// All vectors of one key.
pub(super) fn vectors(file: &str) -> Vectors {
    let key = public_key(file);
    let good = good(file, &key);
    let bad = match &key {
        PublicKey::Rsa(rsa) => bad::tokens(file, rsa),
        PublicKey::X25519(x25519) => bad::boxes(x25519),
    };
    let fingerprint = key.fingerprint();
    let key = Key { file: file.to_owned(), kid: key.kid().0.clone(), fingerprint };
    Vectors { sealed_by: "sealink".to_owned(), key, good, bad }
}

/// The same secrets in the same places, sealed as the server does it: other bytes every time.
pub(super) fn fresh(file: &str) -> Vectors {
    let key = public_key(file);
    let good = cases().map(|(name, place, secret)| {
        let typed = Secret::parse("client_secret", secret.clone()).expect("an accepted secret");
        let bytes = seal(&key, &place, &typed).expect("seals").bytes;
        let sealed = match &key {
            PublicKey::Rsa(_) => Encoded::Token(String::from_utf8(bytes).expect("a token is text")),
            PublicKey::X25519(_) => Encoded::Hex(hex(&bytes)),
        };
        Good { name: name.to_owned(), place: spot(&place), secret, random: None, sealed }
    });
    let named = Key { file: file.to_owned(), kid: key.kid().0.clone(), fingerprint: key.fingerprint() };
    Vectors { sealed_by: "sealink".to_owned(), key: named, good: good.into(), bad: Vec::new() }
}

/// What is sealed: a name, the place, the secret.
fn cases() -> [(&'static str, Place<'static>, String); 7] {
    let azure =
        Place { a: "dev.azure.com", b: "https://login.microsoftonline.com/t/v2.0", c: "client", ..github() };
    let honeycomb = Place {
        sub: github().runner.0,
        field: sealink::seal::Field::RunnerHoneycombApiKey,
        a: "",
        b: "",
        c: "",
        ..github()
    };
    [
        ("1 byte", github(), "x".to_owned()),
        ("190 bytes", github(), "a".repeat(190)),
        ("191 bytes", github(), "b".repeat(191)),
        ("4096 bytes", github(), "c".repeat(4_096)),
        ("an emoji", github(), "\u{1f511}".to_owned()),
        ("with an issuer", azure, "s3cr3t~Azure.Value".to_owned()),
        ("without a destination", honeycomb, "hcaik_0123456789".to_owned()),
    ]
}

fn good(file: &str, key: &PublicKey) -> Vec<Good> {
    let make = |(name, place, secret): (&str, Place<'_>, String)| {
        let label = format!("{file}/{name}");
        let (random, sealed) = match key {
            PublicKey::Rsa(rsa) => {
                let [cek, iv, seed] = parts(&label);
                let random = Random::Jwe { cek: hex(&cek), iv: hex(&iv[..12]), oaep_seed: hex(&seed) };
                (
                    random,
                    Encoded::Token(token(
                        rsa,
                        &label,
                        &jwe::secret_header(&place, rsa.kid()),
                        secret.as_bytes(),
                    )),
                )
            }
            PublicKey::X25519(key) => {
                let ephemeral = digest(&label);
                let sealed =
                    sealed_box::seal(key, secret.as_bytes(), Zeroizing::new(ephemeral)).expect("seals");
                (Random::Box { ephemeral: hex(&ephemeral) }, Encoded::Hex(hex(&sealed)))
            }
        };
        Good { name: name.to_owned(), place: spot(&place), secret, random: Some(random), sealed }
    };
    cases().map(make).into()
}

/// Seals with randomness that follows from `label`.
pub(super) fn token(key: &RsaKey, label: &str, header: &str, plaintext: &[u8]) -> String {
    let [cek, iv, seed] = parts(label);
    let random = jwe::Randomness::fixed(cek, *iv.first_chunk().expect("12 bytes"), seed);
    jwe::encrypt(key, header, plaintext, &random).expect("seals")
}

fn parts(label: &str) -> [[u8; 32]; 3] {
    ["cek", "iv", "oaep_seed"].map(|part| digest(&format!("{label}/{part}")))
}

/// 32 bytes that follow from `label`.
pub(super) fn digest(label: &str) -> [u8; 32] {
    Sha256::digest(label).into()
}

/// A place as text.
pub(super) fn spot(place: &Place<'_>) -> Spot {
    Spot {
        runner: place.runner.to_string(),
        sub: place.sub.to_string(),
        field: place.field.wire_name().to_owned(),
        a: place.a.to_owned(),
        b: place.b.to_owned(),
        c: place.c.to_owned(),
    }
}

/// The file of public keys.
pub(super) fn keys() -> Keys {
    let accepted = ["rsa-2048", "rsa-3072", "rsa-4096", "x25519"].map(|name| {
        let key = public_key(name);
        let (public_key, kid, fingerprint) = (hex(key.wire_bytes()), key.kid().0.clone(), key.fingerprint());
        Accepted { name: name.to_owned(), public_key, kid, fingerprint }
    });
    let refused = [
        ("order 4", "0000000000000000000000000000000000000000000000000000000000000000", "low order"),
        ("order 1", "0100000000000000000000000000000000000000000000000000000000000000", "low order"),
        ("order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "low order"),
        (
            "order 8, the other",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "low order",
        ),
        ("order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "low order"),
        ("p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "canonical"),
        ("p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "canonical"),
        ("top bit", "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1cfc", "canonical"),
        (
            "SPKI",
            "302a300506032b656e03210007a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
            "last 32 bytes",
        ),
    ];
    let refused = refused.map(|(name, key, failure)| Refused {
        name: format!("X25519, {name}"),
        public_key: key.to_owned(),
        failure: failure.to_owned(),
    });
    Keys { accepted: accepted.into(), refused: refused.into() }
}
