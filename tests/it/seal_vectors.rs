//! The vectors of `tests/vectors/seal`: made again from their fixed random bytes and compared, opened, refused.
//!
//! `UPDATE_VECTORS=1 cargo test --test it seal_vectors` writes them after a change of the format. The files of
//! `tests/vectors/foreign` were sealed by other libraries (`tests/vectors/run --seal`) and are only opened.
mod bad;
mod make;
mod shape;

use std::{fs, path::PathBuf};

use sealink::{
    domain::{
        id::RunnerId,
        secret::{Kid, Sealed},
    },
    seal::{
        Field, Place, PublicKey, accept, jwe,
        open::{self, KeyRing, OpenError},
        sealed_box,
    },
};
use zeroize::Zeroizing;

use crate::{
    seal::unhex,
    seal_fixtures::{REGISTRATION, private_key, ring},
};
use shape::{Bad, Encoded, Good, Keys, Random, Spot, Vectors};

const FILES: [&str; 4] = ["rsa-2048", "rsa-3072", "rsa-4096", "x25519"];

fn path(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(folder).join(format!("{name}.json"))
}

fn read(folder: &str, name: &str) -> String {
    let path = path(folder, name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn vectors(folder: &str, name: &str) -> Vectors {
    serde_json::from_str(&read(folder, name)).unwrap_or_else(|error| panic!("{folder}/{name}: {error}"))
}

impl Spot {
    fn place(&self) -> Place<'_> {
        Place {
            runner: RunnerId::parse("runner", &self.runner).expect("a runner"),
            sub: self.sub.parse().expect("a uuid"),
            field: Field::from_wire_name(&self.field).expect("a field"),
            a: &self.a,
            b: &self.b,
            c: &self.c,
        }
    }
}

impl Encoded {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Token(token) => token.clone().into_bytes(),
            Self::Hex(hex) => unhex(hex),
        }
    }
}

#[test]
fn the_files_are_what_the_code_makes() {
    let write = std::env::var_os("UPDATE_VECTORS").is_some();
    let made = FILES.map(|name| (name, make::pretty(&make::vectors(name))));
    for (name, text) in made.into_iter().chain([("keys", make::pretty(&make::keys()))]) {
        if write {
            fs::write(path("seal", name), &text).expect("written");
        }
        assert!(read("seal", name) == text, "seal/{name}.json is not what the code makes");
    }
}

#[test]
fn the_fixed_random_bytes_give_the_expected_bytes() {
    for name in FILES {
        let vectors = vectors("seal", name);
        let key = private_key(&vectors.key.file);
        assert_eq!(key.public().kid().0, vectors.key.kid, "{name}");
        assert_eq!(key.public().fingerprint(), vectors.key.fingerprint, "{name}");
        for Good { name, place, secret, random, sealed } in &vectors.good {
            let place = place.place();
            let made = match (key.public(), random.as_ref().expect("fixed")) {
                (PublicKey::Rsa(rsa), Random::Jwe { cek, iv, oaep_seed }) => {
                    let random = jwe::Randomness::fixed(array(cek), array(iv), array(oaep_seed));
                    let header = jwe::secret_header(&place, rsa.kid());
                    jwe::encrypt(rsa, &header, secret.as_bytes(), &random).expect("seals").into_bytes()
                }
                (PublicKey::X25519(key), Random::Box { ephemeral }) => {
                    sealed_box::seal(key, secret.as_bytes(), Zeroizing::new(array(ephemeral))).expect("seals")
                }
                _ => panic!("{name}: randomness of another format"),
            };
            assert!(made == sealed.bytes(), "{name}");
        }
    }
}

#[test]
fn good_vectors_open_here() {
    let own = FILES.map(|name| ("seal", name));
    for (folder, name) in own.into_iter().chain([("foreign", "jwcrypto"), ("foreign", "pynacl")]) {
        let vectors = vectors(folder, name);
        let keys = ring(&[&vectors.key.file]);
        assert!(vectors.good.len() >= 5, "{folder}/{name}");
        for Good { name: vector, place, secret, sealed, .. } in &vectors.good {
            let sealed = Sealed { bytes: sealed.bytes(), kid: Kid(vectors.key.kid.clone()) };
            let opened = open::open(&keys, &place.place(), &sealed);
            let opened = opened.unwrap_or_else(|error| panic!("{folder}/{name}, {vector}: {error}"));
            assert!(opened.expose() == secret, "{folder}/{name}, {vector}");
        }
    }
}

/// As the server seals, with bytes that nobody chose. `SEALINK_FRESH_VECTORS` names a folder for what third
/// parties then open.
#[test]
fn what_is_sealed_now_opens_here() {
    let folder = std::env::var_os("SEALINK_FRESH_VECTORS").map(PathBuf::from);
    for name in FILES {
        let vectors = make::fresh(name);
        let keys = ring(&[&vectors.key.file]);
        for Good { name: vector, place, secret, sealed, .. } in &vectors.good {
            let sealed = Sealed { bytes: sealed.bytes(), kid: Kid(vectors.key.kid.clone()) };
            let opened = open::open(&keys, &place.place(), &sealed);
            let opened = opened.unwrap_or_else(|error| panic!("{name}, {vector}: {error}"));
            assert!(opened.expose() == secret, "{name}, {vector}");
        }
        if let Some(folder) = &folder {
            fs::write(folder.join(format!("{name}.json")), make::pretty(&vectors)).expect("written");
        }
    }
}

#[test]
fn bad_vectors_fail_by_their_names() {
    for name in FILES {
        let vectors = vectors("seal", name);
        let keys = ring(&[&vectors.key.file]);
        for vector in &vectors.bad {
            let error = outcome(&keys, &vectors.key.kid, vector).err();
            let failure = match error {
                None => "opened".to_owned(),
                Some(OpenError::UnknownKid) => "unknown_kid".to_owned(),
                Some(OpenError::Undecryptable) => "undecryptable".to_owned(),
                Some(OpenError::Rejected(reason)) => format!("rejected:{}", reason.as_str()),
            };
            assert_eq!(failure, vector.failure, "{name}, {}", vector.name);
        }
    }
}

fn outcome(keys: &KeyRing, kid: &str, vector: &Bad) -> Result<(), OpenError> {
    let place = vector.place.place();
    if vector.challenge {
        return open::answer_challenge(keys, place.runner, REGISTRATION, &vector.sealed.bytes()).map(|_| ());
    }
    let kid = Kid(vector.kid.clone().unwrap_or_else(|| kid.to_owned()));
    open::open(keys, &place, &Sealed { bytes: vector.sealed.bytes(), kid }).map(|_| ())
}

#[test]
fn keys_are_accepted_or_refused_as_stated() {
    let Keys { accepted, refused } = serde_json::from_str(&read("seal", "keys")).expect("readable");
    assert!(accepted.len() >= 4 && refused.len() >= 9);
    for key in accepted {
        let read = accept(&unhex(&key.public_key)).unwrap_or_else(|error| panic!("{}: {error}", key.name));
        assert_eq!(
            (read.kid().0.as_str(), read.fingerprint()),
            (key.kid.as_str(), key.fingerprint),
            "{}",
            key.name
        );
    }
    for key in refused {
        let error = accept(&unhex(&key.public_key)).expect_err(&key.name);
        assert!(error.message().contains(&key.failure), "{}: {error}", key.name);
    }
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    unhex(hex).try_into().expect("the right length")
}
