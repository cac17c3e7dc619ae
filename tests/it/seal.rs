//! Sealing: formats, bindings, sizes, names of keys.
use std::collections::BTreeSet;

use sealink::{
    domain::secret::{Kid, Sealed},
    error::Kind,
    seal::{Algorithm, Field, Place, PublicKey, expected_answer, jwe, open, seal, seal_challenge},
};

use crate::seal_fixtures::{REGISTRATION, RUNNER, github, private_key, public_key, ring, secret};

const ALL_KEYS: [&str; 4] = ["rsa-2048", "rsa-3072", "rsa-4096", "x25519"];

#[test]
fn ctx_matches_the_control_vectors() {
    assert_eq!(github().ctx(), "pVi-iWexOjsuVd0QdtEcXrFlBkTlCJX-Wxsg4Mj5eAY");
    let azure =
        Place { a: "dev.azure.com", b: "https://login.microsoftonline.com/t/v2.0", c: "client", ..github() };
    assert_eq!(azure.ctx(), "55K1pGs2cEZAsjKv4MJPJ7xvj6iJalrfl3kPsi-LwPk");
}

#[test]
fn x25519_matches_the_control_vector() {
    let key = private_key("x25519");
    let public = key.public().clone();
    assert_eq!(hex(public.wire_bytes()), "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c");
    assert_eq!(public.kid().0, "ZS36mmtvLWivPXvvLThjDu60Oerv9rlIeCH64zMjiu8");
    assert_eq!((public.algorithm(), public.bits()), (Algorithm::X25519, 256));
    let bytes = unhex(
        "7cf3f0fbd94b6c51a09ef5955fa8452d7b143ebfddb26dda03e2f1b4b7a846489d63383e834332a53e4def526b4397e2519e0a7667a625f857daa473ac",
    );
    let sealed = Sealed { bytes, kid: public.kid().clone() };
    let opened = open::open(&ring(&["x25519"]), &github(), &sealed).expect("opens");
    assert_eq!(opened.expose(), "client_secret");
}

#[test]
fn the_header_is_exactly_seven_members_in_order() {
    let key = public_key("rsa-2048");
    let sealed = seal(&key, &github(), &secret("s3cret")).expect("seals");
    let token = jwe::Compact::parse(&sealed.bytes).expect("a token");
    let kid = key.kid();
    let expected = format!(
        "{{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\",\"typ\":\"sealink-secret+jwe\",\"kid\":\"{kid}\",\
         \"aud\":\"0198a7c0-0000-7000-8000-000000000001\",\"sub\":\"0198a7c0-0000-7000-8000-000000000002\",\
         \"ctx\":\"pVi-iWexOjsuVd0QdtEcXrFlBkTlCJX-Wxsg4Mj5eAY\"}}"
    );
    assert_eq!(String::from_utf8(token.header).expect("text"), expected);
}

#[test]
fn a27_every_length_opens_identically_with_every_key() {
    let longest_emoji = "\u{1f511}".repeat(1_024);
    for name in ALL_KEYS {
        let (key, keys) = (public_key(name), ring(&[name]));
        for text in ["x", &"a".repeat(190), &"b".repeat(191), &"c".repeat(4_096), "\u{1f511}", &longest_emoji]
        {
            let sealed = seal(&key, &github(), &secret(text)).expect("seals");
            assert_eq!(&sealed.kid, key.kid());
            let opened = open::open(&keys, &github(), &sealed).expect("opens");
            assert!(opened.expose() == text, "{name}, {} bytes", text.len());
        }
    }
}

#[test]
fn sizes_are_those_of_the_documentation() {
    let text = secret(&"s".repeat(70));
    let expected =
        [("rsa-2048", 824, 294), ("rsa-3072", 994, 422), ("rsa-4096", 1_165, 550), ("x25519", 118, 32)];
    for (name, sealed_bytes, key_bytes) in expected {
        let key = public_key(name);
        assert_eq!(seal(&key, &github(), &text).expect("seals").bytes.len(), sealed_bytes, "{name}");
        assert_eq!(key.wire_bytes().len(), key_bytes, "{name}");
    }
}

#[test]
fn sealing_twice_gives_different_bytes() {
    for name in ALL_KEYS {
        let key = public_key(name);
        let once = || seal(&key, &github(), &secret("same")).expect("seals").bytes;
        assert_ne!(once(), once(), "{name}");
    }
}

#[test]
fn every_element_of_the_place_changes_ctx() {
    let base = github();
    let other = INTEGRATION_OF_ANOTHER;
    let places = [
        base,
        Place { runner: sealink::domain::id::RunnerId(other), ..base },
        Place { sub: other, ..base },
        Place { field: Field::ValidateClientSecret, ..base },
        Place { a: "github.co", ..base },
        Place { b: "https://github.com", ..base },
        Place { c: "Iv1.0123456789abcdeg", ..base },
        // The same bytes, split elsewhere.
        Place { a: "github.comIv1.", c: "0123456789abcdef", ..base },
    ];
    let contexts: BTreeSet<String> = places.iter().map(Place::ctx).collect();
    assert_eq!(contexts.len(), places.len());
}

const INTEGRATION_OF_ANOTHER: uuid::Uuid = uuid::uuid!("0198a7c0-0000-7000-8000-000000000009");

#[test]
fn fields_have_distinct_names_and_their_limits() {
    let names: BTreeSet<&str> = Field::ALL.iter().map(|field| field.wire_name()).collect();
    assert_eq!(names.len(), Field::ALL.len());
    for field in Field::ALL {
        assert_eq!(Field::from_wire_name(field.wire_name()), Some(field));
        let expected = if field.wire_name().starts_with("host_token.") { 8_192 } else { 4_096 };
        assert_eq!(field.max_bytes(), expected);
    }
    assert_eq!(Field::from_wire_name("oauth.client_secret "), None);
}

#[test]
fn a_stored_key_reads_back_and_keeps_its_names() {
    for name in ALL_KEYS {
        let key = public_key(name);
        let stored = PublicKey::from_stored(key.algorithm(), key.wire_bytes()).expect("reads back");
        assert_eq!(stored, key);
        assert_eq!(stored.kid(), key.kid());
        assert!(
            key.fingerprint().starts_with("SHA256:") && key.fingerprint().len() == 50,
            "{}",
            key.fingerprint()
        );
        assert_eq!(key.fingerprint_hex().len(), 64);
    }
    let damaged = PublicKey::from_stored(Algorithm::X25519, &[0; 31]).expect_err("too short");
    assert_eq!(damaged.kind(), Kind::DataLoss);
    let damaged = PublicKey::from_stored(Algorithm::Rsa, b"0\x82").expect_err("not a key");
    assert_eq!(damaged.kind(), Kind::DataLoss);
}

#[test]
fn t10_a_challenge_is_answered_only_with_its_key() {
    let random = [7; 32];
    for name in ALL_KEYS {
        let key = public_key(name);
        let challenge = seal_challenge(&key, RUNNER, REGISTRATION, &random).expect("seals");
        let answer =
            open::answer_challenge(&ring(&[name]), RUNNER, REGISTRATION, &challenge).expect("answers");
        assert_eq!(answer, expected_answer(&random, REGISTRATION, key.kid()), "{name}");
        let wrong_random = expected_answer(&[8; 32], REGISTRATION, key.kid());
        let wrong_kid = expected_answer(&random, REGISTRATION, &Kid("other".to_owned()));
        assert!(answer != wrong_random && answer != wrong_kid);
        assert!(
            open::answer_challenge(&ring(&["other-2048"]), RUNNER, REGISTRATION, &challenge).is_err(),
            "{name}"
        );
    }
}

#[test]
fn the_answer_is_that_of_another_implementation() {
    #[derive(serde::Deserialize)]
    struct Foreign {
        random: String,
        registration: String,
        kid: String,
        answer: String,
    }
    let foreign: Foreign =
        serde_json::from_str(include_str!("../vectors/foreign/answer.json")).expect("JSON");
    assert_eq!(foreign.registration, REGISTRATION.to_string());
    let random = unhex(&foreign.random).try_into().expect("32 bytes");
    let answer = expected_answer(&random, REGISTRATION, &Kid(foreign.kid));
    assert_eq!(hex(&answer), foreign.answer);
}

#[test]
fn secrets_and_private_keys_do_not_print() {
    let text = "do-not-print-this";
    assert_eq!(format!("{:?}", secret(text)), "Secret(..)");
    let key = private_key("rsa-2048");
    assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.public().kid()));
    let boxed = private_key("x25519");
    assert_eq!(format!("{boxed:?}"), format!("PrivateKey({})", boxed.public().kid()));
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}
