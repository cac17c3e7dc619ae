//! Opening, against a hostile server: what is refused, when, and with which error.
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sealink::{
    agent::{attempts::Attempts, dir::AgentDir},
    clock::Instant,
    domain::{id::RunnerId, secret::Sealed},
    seal::{
        Field, Place, PublicKey, jwe,
        key::RsaKey,
        open,
        open::{KeyRing, OpenError, PrivateKey, Reason},
        seal, seal_challenge,
    },
};
use uuid::uuid;

use crate::seal_fixtures::{REGISTRATION, RUNNER, github, private_key, public_key, ring, secret, with_bytes};

const OTHER: uuid::Uuid = uuid!("0198a7c0-0000-7000-8000-000000000009");

fn sealed_with(name: &str) -> Sealed {
    seal(&public_key(name), &github(), &secret("s3cret")).expect("seals")
}

fn failure(keys: &KeyRing, place: &Place<'_>, sealed: &Sealed) -> OpenError {
    open::open(keys, place, sealed).expect_err("must not open")
}

/// Seals `plaintext` correctly under a header of the caller's choice.
fn sealed_under(key: &PublicKey, header: &str, plaintext: &[u8]) -> Sealed {
    let token =
        jwe::encrypt(rsa(key), header, plaintext, &jwe::Randomness::fresh().expect("random")).expect("seals");
    Sealed { bytes: token.into_bytes(), kid: key.kid().clone() }
}

fn rsa(key: &PublicKey) -> &RsaKey {
    match key {
        PublicKey::Rsa(key) => key,
        PublicKey::X25519(_) => panic!("an RSA key"),
    }
}

#[test]
fn t5_a_token_in_another_place_is_refused_without_an_rsa_operation() {
    let keys = ring(&["rsa-2048"]);
    let sealed = sealed_with("rsa-2048");
    let cases = [
        (Place { runner: RunnerId(OTHER), ..github() }, Reason::Audience),
        (Place { sub: OTHER, ..github() }, Reason::Subject),
        (Place { field: Field::ValidateClientSecret, ..github() }, Reason::Context),
        (Place { a: "evil.example", ..github() }, Reason::Context),
        (Place { b: "https://evil.example", ..github() }, Reason::Context),
        (Place { c: "another client", ..github() }, Reason::Context),
    ];
    for (place, reason) in cases {
        assert_eq!(failure(&keys, &place, &sealed), OpenError::Rejected(reason));
    }
    assert_eq!(keys.rsa_operations(), 0);
    assert!(open::open(&keys, &github(), &sealed).is_ok());
    assert_eq!(keys.rsa_operations(), 1);
}

#[test]
fn a_correctly_sealed_token_with_another_header_is_refused_without_an_rsa_operation() {
    let (key, keys) = (public_key("rsa-2048"), ring(&["rsa-2048"]));
    let good = jwe::secret_header(&github(), key.kid());
    let members: Vec<&str> = good[1..good.len() - 1].split(',').collect();
    let joined = |members: &[&str]| format!("{{{}}}", members.join(","));
    let mut headers: Vec<(String, Reason)> = vec![
        (good.replace("RSA-OAEP-256", "RSA1_5"), Reason::Algorithm),
        (good.replace("RSA-OAEP-256", "RSA-OAEP"), Reason::Algorithm),
        (good.replace("RSA-OAEP-256", "dir"), Reason::Algorithm),
        (good.replace("RSA-OAEP-256", "none"), Reason::Algorithm),
        (good.replace("A256GCM", "A128GCM"), Reason::Algorithm),
        (good.replace(jwe::SECRET_TYPE, jwe::CHALLENGE_TYPE), Reason::Type),
        (good.replace(&key.kid().0, &public_key("other-2048").kid().0), Reason::Kid),
        (good.replace("00000001", "00000009"), Reason::Audience),
        (good.replace("00000002", "00000009"), Reason::Subject),
        (good.replace("pVi-", "qVi-"), Reason::Context),
        (good.replace('}', r#","zip":"DEF"}"#), Reason::Header),
        (good.replace('}', r#","crit":["ctx"]}"#), Reason::Header),
        (good.replace(',', ", "), Reason::Header),
        (format!("{good}\n"), Reason::Header),
        (good.replace("A256GCM", "A256GC\\u004d"), Reason::Header),
        (good.replace(r#""RSA-OAEP-256""#, "null"), Reason::Header),
        (String::new(), Reason::Header),
        ("[]".to_owned(), Reason::Header),
    ];
    for at in 0..members.len() {
        let mut missing = members.clone();
        missing.remove(at);
        headers.push((joined(&missing), Reason::Header));
        let mut doubled = members.clone();
        doubled.insert(at, members[at]);
        headers.push((joined(&doubled), Reason::Header));
        let mut reordered = members.clone();
        reordered.swap(at, (at + 1) % members.len());
        headers.push((joined(&reordered), Reason::Header));
    }
    for (header, reason) in &headers {
        let sealed = sealed_under(&key, header, b"s3cret");
        assert_eq!(failure(&keys, &github(), &sealed), OpenError::Rejected(*reason), "{header}");
    }
    assert_eq!(keys.rsa_operations(), 0);
}

#[test]
fn parts_that_are_not_canonical_are_refused_without_an_rsa_operation() {
    let keys = ring(&["rsa-2048"]);
    let sealed = sealed_with("rsa-2048");
    let token = String::from_utf8(sealed.bytes.clone()).expect("text");
    let parts: Vec<&str> = token.split('.').collect();
    let mut mutants = vec![
        String::new(),
        parts[..4].join("."),
        format!("{token}."),
        format!("{token}.AA"),
        token.replace('.', ","),
    ];
    for at in 0..5 {
        let with = |part: String| {
            let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            parts[at] = part;
            parts.join(".")
        };
        mutants.push(with(String::new()));
        mutants.push(with(format!("{}=", parts[at])));
        mutants.push(with(format!(" {}", parts[at])));
        mutants.push(with(format!("{}+", &parts[at][1..])));
        mutants.push(with(format!("{}\n", parts[at])));
        // The last character carries unused bits in every part whose length is not a multiple of three.
        if !parts[at].len().is_multiple_of(4) {
            mutants.push(with(with_unused_bit(parts[at])));
        }
    }
    for mutant in mutants {
        let error = failure(&keys, &github(), &with_bytes(&sealed, mutant.as_bytes()));
        assert!(matches!(error, OpenError::Rejected(_)), "{mutant}: {error}");
    }
    assert_eq!(keys.rsa_operations(), 0);
}

/// The same bytes, spelled with an unused bit set.
fn with_unused_bit(part: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = part.split_at(part.len() - 1);
    let value = ALPHABET.iter().position(|&letter| letter == last.as_bytes()[0]).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[value | 1]))
}

#[test]
fn lengths_are_checked_before_an_rsa_operation() {
    let (key, keys) = (public_key("rsa-2048"), ring(&["rsa-2048"]));
    let header = jwe::secret_header(&github(), key.kid());
    for plaintext in [0, 4_097, 8_000] {
        let sealed = sealed_under(&key, &header, &vec![b's'; plaintext]);
        assert_eq!(failure(&keys, &github(), &sealed), OpenError::Rejected(Reason::Length));
    }
    let longer_ek = sealed_under(&public_key("rsa-3072"), &header, b"s3cret");
    let sealed = Sealed { bytes: longer_ek.bytes, kid: key.kid().clone() };
    assert_eq!(failure(&keys, &github(), &sealed), OpenError::Rejected(Reason::Length));
    let sealed = with_bytes(&sealed, vec![b'A'; 16 * 1024 + 1]);
    assert_eq!(failure(&keys, &github(), &sealed), OpenError::Rejected(Reason::Malformed));
    assert_eq!(keys.rsa_operations(), 0);

    let keys = ring(&["x25519"]);
    let boxed = sealed_with("x25519");
    for length in [0, 1, 48, 4_096 + 49] {
        let sealed = with_bytes(&boxed, vec![0; length]);
        assert_eq!(failure(&keys, &github(), &sealed), OpenError::Rejected(Reason::Length), "{length}");
    }
}

#[test]
fn t11_a_thousand_mutants_fail_alike() {
    let keys = ring(&["rsa-2048"]);
    let sealed = sealed_with("rsa-2048");
    let token = String::from_utf8(sealed.bytes.clone()).expect("text");
    let parts: Vec<Vec<u8>> =
        token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % limit as u64).expect("small")
    };
    for round in 0..1_000 {
        let mut parts = parts.clone();
        // Header, wrapped key, IV, content, tag in turn; one bit each.
        let part = &mut parts[round % 5];
        let at = below(part.len());
        part[at] ^= 1 << below(8);
        let mutant = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".");
        let before = keys.rsa_operations();
        let error = failure(&keys, &github(), &with_bytes(&sealed, mutant));
        let operations = keys.rsa_operations() - before;
        if round % 5 == 0 {
            assert!(matches!(error, OpenError::Rejected(_)), "round {round}: {error}");
            assert_eq!(operations, 0, "round {round}");
        } else {
            assert_eq!((error, operations), (OpenError::Undecryptable, 1), "round {round}");
        }
    }
}

#[test]
fn box_mutants_fail_alike() {
    let keys = ring(&["x25519"]);
    let sealed = sealed_with("x25519");
    for at in 0..sealed.bytes.len() {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1;
        assert_eq!(
            failure(&keys, &github(), &with_bytes(&sealed, bytes)),
            OpenError::Undecryptable,
            "byte {at}"
        );
    }
    let longer = [sealed.bytes.as_slice(), &[0]].concat();
    assert_eq!(failure(&keys, &github(), &with_bytes(&sealed, longer)), OpenError::Undecryptable);
}

#[test]
fn a_key_that_is_not_there_is_unknown_and_a_foreign_wrap_undecryptable() {
    let sealed = sealed_with("rsa-2048");
    assert_eq!(failure(&ring(&["other-2048", "x25519"]), &github(), &sealed), OpenError::UnknownKid);
    // Wrapped for another key, under our key's name.
    let (key, other) = (public_key("rsa-2048"), public_key("other-2048"));
    let header = jwe::secret_header(&github(), key.kid());
    let sealed = Sealed { kid: key.kid().clone(), ..sealed_under(&other, &header, b"s3cret") };
    assert_eq!(failure(&ring(&["rsa-2048"]), &github(), &sealed), OpenError::Undecryptable);
    // The row names another of our keys than the token.
    let sealed = Sealed { kid: other.kid().clone(), ..sealed_with("rsa-2048") };
    assert_eq!(
        failure(&ring(&["rsa-2048", "other-2048"]), &github(), &sealed),
        OpenError::Rejected(Reason::Kid)
    );
}

#[test]
fn a_plaintext_that_is_no_secret_is_refused() {
    let (key, keys) = (public_key("rsa-2048"), ring(&["rsa-2048"]));
    let header = jwe::secret_header(&github(), key.kid());
    let bad: [&[u8]; 6] = [b"a\0b", b"line\n", b"\rline", b" space", b"tab\t", b"\xff\xfe"];
    for plaintext in bad {
        let sealed = sealed_under(&key, &header, plaintext);
        assert_eq!(
            failure(&keys, &github(), &sealed),
            OpenError::Rejected(Reason::Plaintext),
            "{plaintext:?}"
        );
    }
}

#[test]
fn a_stored_secret_does_not_pass_as_a_challenge() {
    let (key, keys) = (public_key("rsa-2048"), ring(&["rsa-2048", "x25519"]));
    let answer =
        |bytes: &[u8]| open::answer_challenge(&keys, RUNNER, REGISTRATION, bytes).expect_err("no answer");
    assert_eq!(answer(&sealed_with("rsa-2048").bytes), OpenError::Rejected(Reason::Type));

    // A box has no header: a secret as long as a challenge is opened, and nothing of it leaves.
    let boxed = seal(&public_key("x25519"), &github(), &secret(&"s".repeat(53))).expect("seals");
    assert_eq!(answer(&boxed.bytes), OpenError::Rejected(Reason::Plaintext));

    let header = jwe::challenge_header(RUNNER, REGISTRATION, key.kid());
    let no_prefix = sealed_under(&key, &header, &[b's'; 53]);
    assert_eq!(answer(&no_prefix.bytes), OpenError::Rejected(Reason::Plaintext));
    let operations = keys.rsa_operations();
    let short = sealed_under(&key, &header, b"sealink/challenge/v1\0short");
    assert_eq!(answer(&short.bytes), OpenError::Rejected(Reason::Length));

    // For another registration or runner; to an unknown key; as garbage.
    let challenge = seal_challenge(&key, RUNNER, REGISTRATION, &[1; 32]).expect("seals");
    let other = sealink::domain::id::RegistrationId(OTHER);
    let refused = |runner, registration| {
        open::answer_challenge(&keys, runner, registration, &challenge).expect_err("no answer")
    };
    assert_eq!(refused(RUNNER, other), OpenError::Rejected(Reason::Subject));
    assert_eq!(refused(RunnerId(OTHER), REGISTRATION), OpenError::Rejected(Reason::Audience));
    let unknown = seal_challenge(&public_key("other-2048"), RUNNER, REGISTRATION, &[1; 32]).expect("seals");
    assert_eq!(answer(&unknown), OpenError::UnknownKid);
    assert_eq!(answer(b""), OpenError::Rejected(Reason::Malformed));
    assert_eq!(answer(&[0; 101]), OpenError::Undecryptable);
    assert_eq!(keys.rsa_operations(), operations);
}

#[test]
fn t11_ten_failures_an_hour_and_no_more() {
    let keys = ring(&["rsa-2048"]);
    let good = sealed_with("rsa-2048");
    let mut mutant = good.bytes.clone();
    let last = mutant.len() - 2;
    mutant[last] = if mutant[last] == b'A' { b'B' } else { b'A' };
    let mutant = with_bytes(&good, mutant);

    let parent = tempfile::tempdir().expect("a directory");
    let dir = AgentDir::create(&parent.path().join("agent")).expect("an agent's directory");
    let start = Instant(1_000_000_000_000);
    let mut attempts = Attempts::load(&dir);
    // 10^4 attempts, one a second: 2 hours and 47 minutes.
    for second in 0..10_000 {
        let now = start.plus(Duration::from_secs(second));
        if attempts.may_try(now) {
            assert_eq!(failure(&keys, &github(), &mutant), OpenError::Undecryptable);
            attempts.failed(&dir, now).expect("noted");
        }
    }
    assert_eq!(keys.rsa_operations(), 30);
}

#[test]
fn private_keys_survive_pem() {
    for name in ["rsa-2048", "rsa-3072", "rsa-4096", "x25519"] {
        let key = private_key(name);
        let pem = key.to_pem().expect("PEM");
        assert!(
            pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && pem.ends_with("-----END PRIVATE KEY-----\n")
        );
        let again = PrivateKey::from_pem(&pem).expect("reads back");
        assert_eq!(again.public(), key.public());
        assert!(open::open(&KeyRing::new([again]), &github(), &sealed_with(name)).is_ok());
    }
    let public = "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n";
    for bad in ["", "nonsense", public, "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
        assert!(PrivateKey::from_pem(bad).is_err(), "{bad}");
    }
}
