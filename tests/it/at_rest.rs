//! The server's own keyring and the records it encrypts.
use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::{
    at_rest::{Keyring, KeyringRow, Location, RootKey, RootKeyError, SeedState, UnlockError},
    error::Kind,
};

use crate::seal::{hex, unhex};

const PLACE: Location<'static> = Location {
    table_and_column: "scm_account.access_token",
    owner_id: "0198a7c0-0000-7000-8000-00000000000a",
    row_id: "0198a7c0-0000-7000-8000-00000000000b",
    url_origin: "https://github.example",
};

struct Fixture {
    _folder: tempfile::TempDir,
    root: RootKey,
    rows: Vec<KeyringRow>,
}

impl Fixture {
    fn new(states: &[SeedState]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = RootKey::create(&folder.path().join("root.key")).expect("created");
        let rows =
            (1..).zip(states).map(|(id, state)| KeyringRow::generate(&root, id, *state).expect("generated"));
        Self { rows: rows.collect(), root, _folder: folder }
    }

    fn keyring(&self) -> Keyring {
        Keyring::unlock(&self.root, &self.rows).expect("unlocks")
    }
}

#[test]
fn a_record_opens_where_it_was_written() {
    let keyring = Fixture::new(&[SeedState::Active]).keyring();
    for plaintext in [b"".as_slice(), b"x", &[7; 10_000]] {
        let record = keyring.seal(&PLACE, plaintext).expect("seals");
        assert_eq!(record.len(), 1 + 4 + 32 + plaintext.len() + 16);
        assert_eq!(record[..5], [1, 0, 0, 0, 1]);
        assert_eq!(Keyring::key_id_of(&record), Some(1));
        assert_eq!(keyring.open(&PLACE, &record).expect("opens").as_slice(), plaintext);
        assert_ne!(keyring.seal(&PLACE, plaintext).expect("seals"), record);
    }
}

#[test]
fn a_moved_record_is_data_loss() {
    let keyring = Fixture::new(&[SeedState::Active]).keyring();
    let record = keyring.seal(&PLACE, b"token").expect("seals");
    let elsewhere = [
        Location { table_and_column: "scm_account.refresh_token", ..PLACE },
        Location { owner_id: "another", ..PLACE },
        Location { row_id: "another", ..PLACE },
        Location { url_origin: "https://evil.example", ..PLACE },
        Location { url_origin: "", ..PLACE },
        // The same bytes, split elsewhere.
        Location { table_and_column: "scm_account.access_token0", owner_id: &PLACE.owner_id[1..], ..PLACE },
    ];
    for place in elsewhere {
        assert_eq!(keyring.open(&place, &record).expect_err("refused").kind(), Kind::DataLoss);
    }
}

#[test]
fn a_changed_record_is_data_loss() {
    let keyring = Fixture::new(&[SeedState::Active, SeedState::DecryptOnly]).keyring();
    let record = keyring.seal(&PLACE, b"token").expect("seals");
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 3;
        assert_eq!(keyring.open(&PLACE, &changed).expect_err("refused").kind(), Kind::DataLoss, "byte {at}");
    }
    for length in 0..record.len() {
        assert!(keyring.open(&PLACE, &record[..length]).is_err(), "{length} bytes");
    }
    assert!(keyring.open(&PLACE, &[record.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn rotation_keeps_old_records_readable_until_the_seed_retires() {
    let mut fixture = Fixture::new(&[SeedState::Active]);
    let old = fixture.keyring().seal(&PLACE, b"old").expect("seals");
    fixture.rows[0].state = SeedState::DecryptOnly;
    fixture.rows.push(KeyringRow::generate(&fixture.root, 2, SeedState::Active).expect("generated"));
    let keyring = fixture.keyring();
    assert_eq!((keyring.active_id(), keyring.ids().collect::<Vec<_>>()), (2, vec![1, 2]));
    assert_eq!(keyring.open(&PLACE, &old).expect("opens").as_slice(), b"old");
    assert_eq!(Keyring::key_id_of(&keyring.seal(&PLACE, b"new").expect("seals")), Some(2));
    fixture.rows[0].state = SeedState::Retired;
    assert_eq!(fixture.keyring().open(&PLACE, &old).expect_err("retired").kind(), Kind::DataLoss);
    assert!(fixture.keyring().derive_from(1, "page-token").is_none());
}

#[test]
fn another_root_key_is_noticed_before_anything_is_opened() {
    let (fixture, other) = (Fixture::new(&[SeedState::Active]), Fixture::new(&[SeedState::Active]));
    let error = Keyring::unlock(&other.root, &fixture.rows).expect_err("refused");
    assert_eq!(error, UnlockError::WrongRootKey { key_id: 1 });
    // Also when the database claims that it is the right one.
    let mut rows = fixture.rows.clone();
    rows[0].root_fingerprint = other.root.fingerprint();
    assert_eq!(Keyring::unlock(&other.root, &rows).expect_err("refused"), UnlockError::Damaged { key_id: 1 });
    assert_ne!(fixture.root.fingerprint(), other.root.fingerprint());
}

#[test]
fn a_keyring_that_was_tampered_with_stays_closed() {
    let fixture = Fixture::new(&[SeedState::Active, SeedState::DecryptOnly]);
    for at in 0..fixture.rows[0].wrapped.len() {
        let mut rows = fixture.rows.clone();
        rows[0].wrapped[at] ^= 1;
        assert_eq!(
            Keyring::unlock(&fixture.root, &rows).expect_err("refused"),
            UnlockError::Damaged { key_id: 1 }
        );
    }
    let mut swapped = fixture.rows.clone();
    swapped[0].wrapped = fixture.rows[1].wrapped.clone();
    assert_eq!(
        Keyring::unlock(&fixture.root, &swapped).expect_err("refused"),
        UnlockError::Damaged { key_id: 1 }
    );
    let doubled = [fixture.rows[0].clone(), fixture.rows[0].clone()];
    assert_eq!(
        Keyring::unlock(&fixture.root, &doubled).expect_err("refused"),
        UnlockError::Doubled { key_id: 1 }
    );
    assert_eq!(Keyring::unlock(&fixture.root, &[]).expect_err("refused"), UnlockError::NotOneActive);
    assert_eq!(
        Keyring::unlock(&fixture.root, &fixture.rows[1..]).expect_err("refused"),
        UnlockError::NotOneActive
    );
    let mut two = fixture.rows.clone();
    two[1].state = SeedState::Active;
    assert_eq!(Keyring::unlock(&fixture.root, &two).expect_err("refused"), UnlockError::NotOneActive);
}

#[test]
fn root_rotation_rewraps_the_keyring_only() {
    let (fixture, other) = (Fixture::new(&[SeedState::Active]), Fixture::new(&[SeedState::Active]));
    let record = fixture.keyring().seal(&PLACE, b"token").expect("seals");
    let rows = [fixture.rows[0].rewrap(&fixture.root, &other.root).expect("rewraps")];
    let keyring = Keyring::unlock(&other.root, &rows).expect("unlocks");
    assert_eq!(keyring.open(&PLACE, &record).expect("opens").as_slice(), b"token");
    assert!(fixture.rows[0].rewrap(&other.root, &fixture.root).is_err());
}

#[test]
fn derived_keys_depend_on_purpose_and_seed() {
    let keyring = Fixture::new(&[SeedState::Active, SeedState::DecryptOnly]).keyring();
    let key = keyring.derive("page-token").expect("derives");
    assert_eq!(key.key_id, 1);
    assert_eq!(*key.key, *keyring.derive("page-token").expect("derives").key);
    assert_eq!(*key.key, *keyring.derive_from(1, "page-token").expect("derives").key);
    assert_ne!(*key.key, *keyring.derive_from(2, "page-token").expect("derives").key);
    assert_ne!(*key.key, *keyring.derive("page-tokens").expect("derives").key);
    assert!(keyring.derive_from(3, "page-token").is_none());
    assert_eq!(format!("{key:?}"), "DerivedKey(from seed 1)");
}

#[test]
fn the_root_key_file_is_private_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root.key");
    let left_behind = folder.path().join(format!(".root.key.{}.draft", std::process::id()));
    fs::write(&left_behind, "half a k").expect("written");
    let made = RootKey::create(&path).expect("created");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no draft is left");
    assert_eq!(RootKey::load(&path).expect("loads").fingerprint(), made.fingerprint());
    assert_eq!(format!("{made:?}"), format!("RootKey({})", made.fingerprint()));

    let before = fs::read(&path).expect("readable");
    let again = RootKey::create(&path).expect_err("refused");
    assert!(
        matches!(&again, RootKeyError::Io(_, error) if error.kind() == std::io::ErrorKind::AlreadyExists)
    );
    assert_eq!(fs::read(&path).expect("readable"), before);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no draft is left");

    for mode in [0o640, 0o604, 0o620, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        let error = RootKey::load(&path).expect_err("refused");
        assert!(matches!(error, RootKeyError::Permissions(_, found) if found == mode), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("set");
    assert!(RootKey::load(&path).is_ok());
}

#[test]
fn the_root_key_is_32_bytes_of_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root.key");
    let load = |content: &[u8]| {
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        RootKey::load(&path)
    };
    let bytes: Vec<u8> = (0..32).map(|at| at * 7).collect();
    let hex = hex(&bytes).to_uppercase();
    let base64 = STANDARD.encode(&bytes);
    let fingerprint = load(hex.as_bytes()).expect("hexadecimal").fingerprint();
    assert_eq!(load(hex.to_lowercase().as_bytes()).expect("lower case").fingerprint(), fingerprint);
    assert_eq!(load(format!("{base64}\r\n").as_bytes()).expect("base64").fingerprint(), fingerprint);
    assert_eq!(load(base64.trim_end_matches('=').as_bytes()).expect("no padding").fingerprint(), fingerprint);
    let short = &hex[2..];
    for bad in [b"".as_slice(), b"\n", &bytes, short.as_bytes(), &[b'0'; 66], &[b'g'; 64], &[b'0'; 1_000]] {
        let error = load(bad).expect_err("refused");
        assert!(matches!(error, RootKeyError::Content(_)), "{error}");
        assert!(!error.to_string().contains(short));
    }
    assert!(matches!(RootKey::load(&folder.path().join("missing")), Err(RootKeyError::Io(..))));
}

#[test]
fn records_of_another_implementation_open() {
    #[derive(serde::Deserialize)]
    struct Foreign {
        root_key: String,
        root_fingerprint: String,
        key_id: u32,
        wrapped_seed: String,
        location: [String; 4],
        plaintext: String,
        record: String,
        purpose: String,
        derived: String,
    }
    let foreign: Foreign =
        serde_json::from_str(include_str!("../vectors/foreign/at_rest.json")).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root.key");
    fs::write(&path, &foreign.root_key).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    let root = RootKey::load(&path).expect("loads");
    assert_eq!(root.fingerprint(), foreign.root_fingerprint);
    let row = KeyringRow {
        key_id: foreign.key_id,
        state: SeedState::Active,
        wrapped: unhex(&foreign.wrapped_seed),
        root_fingerprint: foreign.root_fingerprint,
    };
    let keyring = Keyring::unlock(&root, &[row]).expect("unlocks");
    let [table_and_column, owner_id, row_id, url_origin] = foreign.location.each_ref().map(String::as_str);
    let location = Location { table_and_column, owner_id, row_id, url_origin };
    let opened = keyring.open(&location, &unhex(&foreign.record)).expect("opens");
    assert_eq!(opened.as_slice(), foreign.plaintext.as_bytes());
    assert_eq!(hex(&*keyring.derive(&foreign.purpose).expect("derives").key), foreign.derived);
}
