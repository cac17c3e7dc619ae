//! What `sealink serve` refuses before it touches anything.
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::Watch;

/// Serves with these in the environment and on the command line: exit code, and what it says last.
fn serve(data_dir: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
    command.arg("serve").arg("--data-dir").arg(data_dir).args(["--log", "off"]).args(arguments);
    for name in ["SEALINK_DATABASE_URL", "SEALINK_CONFIG", "SEALINK_ADMIN_TOKEN", "SEALINK_LISTEN"] {
        command.env_remove(name);
    }
    // The default is one port for all tests at once; what a test says itself comes later and counts.
    command.env("SEALINK_SERVER_LISTEN", "127.0.0.1:0");
    let watch = Watch::new();
    environment.iter().filter_map(|(_, value)| password(value)).for_each(|password| {
        watch.keep_secret("the database's password", password.as_bytes());
    });
    let output = command.envs(environment.iter().copied()).output().expect("the built binary");
    watch.said("stdout", &output.stdout);
    watch.said("stderr", &output.stderr);
    watch.end_in(data_dir.parent().expect("a directory around it"));
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), said.trim_end().to_owned())
}

/// The password in the URL of a database.
fn password(url: &str) -> Option<&str> {
    let (_, found) = url.split_once("password=").or_else(|| url.split_once("sealink:"))?;
    found.split('@').next()
}

#[test]
fn wrong_settings_are_named_before_anything_is_made() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    let damaged = directory.path().join("damaged.pem");
    fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n")
        .expect("written");
    let damaged = damaged.display().to_string();
    for (key, value) in [
        ("server.listen", "nowhere"),
        ("server.reflection", "perhaps"),
        ("server.public_url", "sealink.example.com"),
        ("database.url", "mysql://db"),
        ("database.url", "sqlite://"),
        ("cors.allowed_origins", "*"),
        ("cors.allowed_origins", "https://a.example/path"),
        ("scm.allowed_origins", "127.0.0.1:3000"),
        ("scm.ca_file", "missing.pem"),
        ("scm.ca_file", "Cargo.toml"),
        ("scm.ca_file", damaged.as_str()),
        ("limits.connections", "0"),
        ("limits.connections", "-1"),
        ("limits.connections", "many"),
        ("limits.connections", "9223372036854775807"),
        ("limits.connections_per_ip", "0"),
        ("limits.message_bytes", "0"),
        ("limits.message_bytes", "4194305"),
        ("limits.request_timeout_seconds", "0"),
        ("limits.request_timeout_seconds", "9223372036854775807"),
        ("log.format", "xml"),
    ] {
        let name = format!("SEALINK_{}", key.replace('.', "_").to_uppercase());
        let (code, said) = serve(&data, &[(&name, value)], &[]);
        assert_eq!(code, Some(64), "{key}={value}: {said}");
        assert!(said.starts_with(&format!("sealink: {key}: ")) && said.lines().count() == 1, "{said}");
        assert!(!data.exists(), "{key}={value} made {}", data.display());
    }
}

#[test]
fn a_mistyped_variable_is_named_with_the_setting_it_is_near() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    let (code, said) = serve(&data, &[("SEALINK_LIMITS_CONNECTONS", "5")], &[]);
    assert_eq!(code, Some(64), "{said}");
    let expected = "sealink: SEALINK_LIMITS_CONNECTONS: there is no such setting; did you mean \
                    SEALINK_LIMITS_CONNECTIONS?";
    assert_eq!(said, expected);
    assert!(!data.exists());
    // Variables of the command line, of agents and of other programs stop nobody: the database is reached for.
    let foreign = [
        ("SEALINK_DATABASE_URL", "postgres://127.0.0.1:1/db"),
        ("SEALINK_TOKEN", "x"),
        ("SEALINK_SCHEMA", "x"),
        ("SEALINK_DATABASE_SERVICE_HOST", "10.0.0.1"),
        ("SEALINK_DATABASE_PORT", "tcp://10.0.0.1:5432"),
    ];
    let (_, said) = serve(&data, &foreign, &[]);
    assert!(said.contains("cannot be reached"), "{said}");
}

#[test]
fn an_address_in_use_leaves_no_data_behind() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (code, said) = serve(&data, &[], &["--listen", &address]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("cannot listen on"), "{said}");
    assert!(!data.exists());
}

#[test]
fn a_password_is_no_argument() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    for url in [
        "postgres://sealink:canary-password-4711@127.0.0.1:1/db",
        "postgres://127.0.0.1:1/db?password=canary-password-4711",
    ] {
        let (code, said) = serve(&data, &[], &["--database-url", url]);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("SEALINK_DATABASE_URL") && !said.contains("canary-password-4711"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        // In the environment it is taken, and the server is not there.
        let (code, said) = serve(&data, &[("SEALINK_DATABASE_URL", url)], &[]);
        assert!(
            code != Some(64) && said.contains("cannot be reached") && !said.contains("canary-password-4711"),
            "{said}"
        );
    }
}

/// A wrong address ends the server after it has looked at its directory.
#[test]
fn a_data_directory_that_others_may_enter_is_narrowed_or_refused() {
    let directory = TempDir::new().expect("a directory");
    let nowhere = [("SEALINK_DATABASE_URL", "postgres://127.0.0.1:1/db")];
    let mode = |path: &Path| fs::metadata(path).expect("a directory").permissions().mode() & 0o777;
    let open = |name: &str, file: Option<&str>| {
        let data = directory.path().join(name);
        fs::create_dir(&data).expect("made");
        if let Some(file) = file {
            fs::write(data.join(file), "").expect("written");
        }
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("opened");
        data
    };
    for (name, file) in [("empty", None), ("used", Some("lock"))] {
        let data = open(name, file);
        let (_, said) = serve(&data, &nowhere, &[]);
        assert!(said.contains("had mode 0755") && said.contains("cannot be reached"), "{said}");
        assert_eq!(mode(&data), 0o700);
        let (_, said) = serve(&data, &nowhere, &[]);
        assert!(!said.contains("mode"), "said once: {said}");
    }
    let data = open("shared", Some("holiday.jpg"));
    let (code, said) = serve(&data, &nowhere, &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("chmod 700") && said.lines().count() == 1, "{said}");
    assert_eq!((mode(&data), fs::read_dir(&data).expect("readable").count()), (0o755, 1), "left as it was");
}
