//! Which public keys are accepted: the corpus of bad keys, private keys sent by mistake, and real keys.
use std::{fs, path::Path};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use sealink::{
    error::Kind,
    seal::{Algorithm, accept, open::PrivateKey},
};

use crate::{
    seal::unhex,
    seal_fixtures::{private_key, public_key},
};

/// Every file of the corpus and the words its refusal must contain; "" means accepted.
const CORPUS: &[(&str, &str)] = &[
    ("ber_long_len.der", "strict DER"),
    ("crlf.pem", ""),
    ("e_1.der", "exponent 65537"),
    ("e_2.der", "exponent 65537"),
    ("e_2p256.der", "exponent 65537"),
    ("e_2p33.der", "exponent 65537"),
    ("e_3.der", "exponent 65537"),
    ("e_even_65536.der", "exponent 65537"),
    ("e_ge_n.der", "exponent 65537"),
    ("ec_spki.der", "rsaEncryption"),
    ("empty.der", "must be an RSA public key"),
    ("even_modulus.der", "small factor"),
    ("fermat_close_primes.der", "Fermat"),
    ("good.pem", ""),
    ("inner_trailing.der", "strict DER"),
    ("n_0.der", "exactly 2048, 3072 or 4096 bits"),
    ("n_1.der", "exactly 2048, 3072 or 4096 bits"),
    ("n_16384_random.der", "at most 1024 bytes"),
    ("n_2047.der", "exactly 2048, 3072 or 4096 bits"),
    ("n_2049.der", "exactly 2048, 3072 or 4096 bits"),
    ("n_512.der", "exactly 2048, 3072 or 4096 bits"),
    ("n_6144.der", "exactly 2048, 3072 or 4096 bits"),
    ("n_65536_random.der", "at most 1024 bytes"),
    ("n_8192_random.der", "at most 1024 bytes"),
    ("neg_modulus.der", "strict DER"),
    ("nonminimal_int.der", "strict DER"),
    ("oid_oaep.der", "rsaEncryption"),
    ("oid_oaep_null.der", "rsaEncryption"),
    ("oid_pss.der", "rsaEncryption"),
    ("ok_1024.der", "exactly 2048, 3072 or 4096 bits"),
    ("ok_2048.der", ""),
    ("ok_3072.der", ""),
    ("ok_4096.der", ""),
    ("oneline.pem", "one PEM block"),
    ("params_absent.der", "strict DER"),
    ("pkcs1.pem", "openssl rsa -RSAPublicKey_in -pubout"),
    ("pkcs1_der.der", "openssl rsa -RSAPublicKey_in -pubout"),
    ("preamble.pem", "one PEM block"),
    ("psquare.der", "Fermat"),
    ("roca_like_2048.der", "ROCA"),
    ("smallfactor.der", "small factor"),
    ("trailing_garbage.der", "strict DER"),
    ("truncated.der", "strict DER"),
    ("two.pem", "one PEM block"),
    ("unused_bits_1.der", "strict DER"),
    ("wronglabel.pem", "private key"),
];

/// Why these bytes are refused; panics if they are accepted.
fn refusal(what: &str, bytes: &[u8]) -> String {
    let error = accept(bytes).err().unwrap_or_else(|| panic!("{what} was accepted"));
    assert_eq!(error.kind(), Kind::Invalid, "{what}");
    let [violation] = error.violations() else { panic!("{what}: one violation") };
    assert_eq!((violation.field.as_str(), &*violation.rule), ("public_key", "sealink.public_key"), "{what}");
    error.message().to_owned()
}

#[test]
fn every_file_of_the_corpus_has_its_outcome() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad-keys");
    let names = fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name != "README.md");
    names.sort();
    assert_eq!(names, CORPUS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "no file without an outcome");

    for (name, reason) in CORPUS {
        let bytes = fs::read(folder.join(name)).expect("readable");
        if reason.is_empty() {
            accept(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        } else {
            let message = refusal(name, &bytes);
            assert!(message.contains(reason), "{name}: {message}");
        }
    }
}

#[test]
fn pem_and_der_of_one_key_are_one_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad-keys");
    let [good, crlf] =
        ["good.pem", "crlf.pem"].map(|name| accept(&fs::read(folder.join(name)).expect("readable")));
    let good = good.expect("accepted");
    assert_eq!(good, crlf.expect("accepted"));
    assert_eq!(accept(good.wire_bytes()).expect("accepted"), good);
}

#[test]
fn fresh_keys_of_every_size_are_accepted() {
    let generate = |count: usize, bits: u32| {
        for _ in 0..count {
            let key = PrivateKey::generate_rsa(bits).expect("generated");
            let accepted = accept(key.public().wire_bytes()).expect("accepted");
            assert_eq!(&accepted, key.public());
            assert_eq!((accepted.algorithm(), accepted.bits()), (Algorithm::Rsa, bits));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| generate(30, 2_048));
        scope.spawn(|| generate(30, 2_048));
        scope.spawn(|| generate(3, 3_072));
        scope.spawn(|| generate(1, 4_096));
    });
    for _ in 0..64 {
        let key = PrivateKey::generate_x25519().expect("generated");
        assert_eq!(&accept(key.public().wire_bytes()).expect("accepted"), key.public());
    }
}

#[test]
fn other_sizes_are_not_generated() {
    for bits in [0, 1_024, 2_047, 8_192] {
        assert_eq!(PrivateKey::generate_rsa(bits).expect_err("refused").kind(), Kind::Invalid);
    }
}

#[test]
fn private_keys_are_refused_and_not_echoed() {
    for name in ["rsa-2048", "rsa-4096", "x25519"] {
        let pem = private_key(name).to_pem().expect("PEM");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(&body).expect("base64");
        let indented = format!("my key:\r\n  {}", &**pem);
        for (what, bytes) in [("PEM", pem.as_bytes()), ("DER", der.as_slice()), ("text", indented.as_bytes())]
        {
            let message = refusal(&format!("{name} as {what}"), bytes);
            assert!(
                message.contains("private key") && message.contains("compromised"),
                "{name}, {what}: {message}"
            );
            assert!(!message.contains(&body[..16]), "{name}, {what}: echoed");
        }
    }
    // The PKCS#1 key inside an RSA key's PKCS#8, and a SEC 1 key's beginning.
    let pem = private_key("rsa-2048").to_pem().expect("PEM");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pkcs1 = &STANDARD.decode(&body).expect("base64")[26..];
    assert!(refusal("PKCS#1", pkcs1).contains("compromised"));
    assert!(refusal("SEC 1", b"\x30\x06\x02\x01\x01\x04\x01\x00").contains("compromised"));
    assert!(refusal("label", b"-----BEGIN OPENSSH PRIVATE KEY-----\n").contains("compromised"));
}

#[test]
fn a_private_jwk_is_known_however_its_members_are_spelled() {
    let der = public_key("rsa-2048");
    let n = URL_SAFE_NO_PAD.encode(&der.wire_bytes()[33..289]);
    let jwk = |members: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"{members}}}"#);
    for members in [
        r#","d":"AQ""#,
        r#","\u0064":"AQ""#,
        r#","\u0064\u0050":1,"\u0064\u0070":"AQ""#,
        r#","q\u0069":null"#,
        r#","\u006B":"AQ""#,
        r#","\u0064":"AQ","\u0064":"AQ""#,
        r#","e":"AQAB","\u0070":"AQ""#,
        r#","x":[{"\u0064":"AQ"}]"#,
        r#","d" :"AQ""x"#,
        &format!(r#","x":{}{},"\u0064":"AQ""#, "[".repeat(200), "]".repeat(200)),
        r#","x":"\"","\u0064":"AQ""#,
    ] {
        assert!(refusal(members, jwk(members).as_bytes()).contains("compromised"), "{members}");
    }
    // A value is no name.
    for members in [r#","kid":"d""#, r#","kid":"\u0064","key_ops":["k"],"x5t":1.5,"ext":true"#] {
        assert_eq!(accept(jwk(members).as_bytes()).expect("accepted"), der, "{members}");
    }
}

#[test]
fn other_containers_are_refused_with_the_cure() {
    let x25519_spki =
        unhex("302a300506032b656e03210007a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c");
    assert!(refusal("X25519 SPKI", &x25519_spki).contains("last 32 bytes"));
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&x25519_spki));
    assert!(refusal("X25519 SPKI in PEM", pem.as_bytes()).contains("last 32 bytes"));
    assert!(
        refusal("OpenSSH", b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ me@host")
            .contains("ssh-keygen -e -m PKCS8")
    );
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert!(refusal("certificate", certificate.as_bytes()).contains("openssl x509 -noout -pubkey"));
    let certificate = b"\x30\x0c\x30\x0a\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00";
    assert!(refusal("certificate DER", certificate).contains("openssl x509 -noout -pubkey"));
}

#[test]
fn limits_hold_before_parsing() {
    assert!(refusal("DER", &[&[0x30, 0x82], [0xff; 1_023].as_slice()].concat()).contains("at most 1024"));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n", "A".repeat(2_048));
    assert!(refusal("PEM", pem.as_bytes()).contains("at most 1024"));
    assert!(refusal("10 MB", &vec![b'{'; 10_000_000]).contains("at most 1024"));
}

#[test]
fn jwk_is_read_strictly() {
    let der = public_key("rsa-2048");
    let n = URL_SAFE_NO_PAD.encode(&der.wire_bytes()[33..289]);
    let jwk = |members: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"{members}}}"#);
    for members in ["", r#","use":"enc""#, r#","alg":"RSA-OAEP-256","kid":"x""#] {
        assert_eq!(accept(jwk(members).as_bytes()).expect("accepted"), der);
    }
    for members in [r#","use":"sig""#, r#","alg":"RSA1_5""#, r#","alg":"RS256""#, r#","e":"AQAB""#] {
        assert!(refusal(members, jwk(members).as_bytes()).contains("JWK"));
    }
    let leading_zero = format!(r#"{{"kty":"RSA","n":"{n}","e":"AAEAAQ"}}"#);
    assert!(refusal("leading zero", leading_zero.as_bytes()).contains("JWK"));
}

#[test]
fn x25519_points_of_low_order_and_other_spellings_are_refused() {
    // Orders 4, 1, 8, 8 and 2; then p, p + 1 and values with the top bit set.
    let low_order = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in low_order {
        assert!(refusal(point, &unhex(point)).contains("low order"), "{point}");
    }
    let not_canonical = [
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1cfc",
    ];
    for point in not_canonical {
        assert!(refusal(point, &unhex(point)).contains("canonical"), "{point}");
    }
    for length in [0, 1, 31, 33, 64] {
        refusal("length", &vec![9; length]);
    }
}
