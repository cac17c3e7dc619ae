//! Project Wycheproof against the agent's side. `tests/vectors/run` fetches the files and runs these.
use std::{env, fs, path::Path};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use sealink::{
    domain::secret::Sealed,
    seal::open::{self, OpenError},
};
use serde_json::Value;

use crate::{
    seal::unhex,
    seal_fixtures::{REGISTRATION, RUNNER, github, public_key, ring},
};

/// Every test of one file, with its group.
fn cases(name: &str) -> Vec<(Value, Value)> {
    let folder =
        env::var_os("SEALINK_WYCHEPROOF").expect("SEALINK_WYCHEPROOF names the folder of the vectors");
    let path = Path::new(&folder).join(format!("{name}_test.json"));
    let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut file: Value = serde_json::from_slice(&file).expect("JSON");
    let mut found = Vec::new();
    for group in file["testGroups"].as_array_mut().expect("groups") {
        let tests = group["tests"].take();
        found.extend(tests.as_array().expect("tests").iter().map(|test| (group.clone(), test.clone())));
    }
    found
}

fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().expect("hexadecimal"))
}

#[test]
#[ignore = "needs SEALINK_WYCHEPROOF, which tests/vectors/run sets"]
fn oaep_unwraps_what_it_must_and_nothing_else() {
    for bits in [2_048, 3_072, 4_096] {
        let cases = cases(&format!("rsa_oaep_{bits}_sha256_mgf1sha256"));
        assert!(cases.len() >= 30, "{bits}");
        for (group, test) in cases {
            let key = PrivateDecryptingKey::from_pkcs8(&bytes(&group["privateKeyPkcs8"])).expect("a key");
            let key = OaepPrivateDecryptingKey::new(key).expect("a key");
            let mut buffer = vec![0; key.min_output_size()];
            let label = bytes(&test["label"]);
            let label = (!label.is_empty()).then_some(label.as_slice());
            let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, &bytes(&test["ct"]), &mut buffer, label);
            let number = &test["tcId"];
            match test["result"].as_str() {
                Some("valid") => assert_eq!(*opened.expect("opens"), bytes(&test["msg"]), "{bits}, {number}"),
                Some("invalid") => assert!(opened.is_err(), "{bits}, {number}"),
                other => panic!("{bits}, {number}: {other:?}"),
            }
        }
    }
}

#[test]
#[ignore = "needs SEALINK_WYCHEPROOF, which tests/vectors/run sets"]
fn every_foreign_jwe_is_refused_without_an_rsa_operation() {
    let keys = ring(&["rsa-2048", "rsa-3072", "rsa-4096", "x25519"]);
    let kid = public_key("rsa-2048").kid().clone();
    let cases = cases("json_web_encryption");
    assert!(cases.len() >= 100);
    for (_, test) in cases {
        // Some are in the JSON serialization.
        let token =
            test["jwe"].as_str().map_or_else(|| test["jwe"].to_string(), ToOwned::to_owned).into_bytes();
        let number = &test["tcId"];
        let sealed = Sealed { bytes: token.clone(), kid: kid.clone() };
        let error = open::open(&keys, &github(), &sealed).expect_err("refused");
        assert!(matches!(error, OpenError::Rejected(_)), "{number}: {error}");
        assert!(open::answer_challenge(&keys, RUNNER, REGISTRATION, &token).is_err(), "{number}");
    }
    assert_eq!(keys.rsa_operations(), 0);
}
