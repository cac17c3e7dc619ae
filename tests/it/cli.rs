//! The command line without a server behind it: usage, errors with a cure, exit codes.
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use crate::shell::Shell;

/// A server that gives every request the same answer, byte for byte.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"POST /"));
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn help_is_no_failure_and_wrong_usage_is_64() {
    let shell = Shell::new();
    for line in ["--help", "runner create --help", "--version"] {
        assert_eq!(shell.run(line).code, 0, "{line}");
    }
    for line in [
        "",
        "frobnicate",
        "runner",
        "runner create",
        "runner create x --kind remote --provider gcp",
        "runner create x --provider managed",
        "runner delete x --force",
    ] {
        assert_eq!(shell.run(line).code, 64, "{line}");
    }
    assert!(shell.run("--help").stdout.contains("sealink agent register < once"));
}

#[test]
fn wrong_usage_is_one_line_with_a_cure() {
    let shell = Shell::new();
    for (line, command) in [
        ("frobnicate", "sealink"),
        ("runner create", "sealink runner create"),
        ("runner create x --provider managed", "sealink"),
        ("runner delete x --force", "sealink runner delete"),
    ] {
        let ended = shell.run(line);
        ended.failed(64, &[&format!("; see `{command} --help`")]);
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn completions_for_every_shell() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = shell.run(&format!("completions {name}"));
        assert!(ended.code == 0 && ended.stdout.contains("integration"), "{name}");
    }
}

#[test]
fn no_server_is_69_and_says_how_to_get_one() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = Shell::new().run_with_token(&format!("runner list --server http://{free}"));
    ended.failed(69, &["sealink serve", "--server", "SEALINK_URL", "refused"]);
}

#[test]
fn something_else_at_the_address_is_69() {
    let url =
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\ncontent-type: text/html\r\n\r\n<html>");
    let ended = Shell::new().run_with_token(&format!("runner list --server {url}"));
    ended.failed(69, &["404", "--server"]);
}

#[test]
fn redirects_are_not_followed() {
    let url = answering("HTTP/1.1 307 See\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:1/\r\n\r\n");
    Shell::new().run_with_token(&format!("runner list --server {url}")).failed(69, &["307"]);
}

const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 53\r\n\r\n\
                       {\"code\":\"unauthenticated\",\"message\":\"not \\u001b[31m\"}";

#[test]
fn a_refused_token_is_77_and_says_where_it_came_from() {
    let shell = Shell::new();
    let url = answering(REFUSED);
    let line = format!("runner list --server {url}");
    shell.run_with_token(&line).failed(77, &["SEALINK_TOKEN"]);
    std::fs::write(shell.path().join("mine"), "sealink_pat_canary\n").unwrap();
    shell.run(&format!("{line} --token-file mine")).failed(77, &["mine"]);
    std::fs::create_dir(shell.path().join("sealink-data")).unwrap();
    std::fs::write(shell.path().join("sealink-data/admin-token"), "sealink_adm_canary\n").unwrap();
    shell.run(&line).failed(77, &["sealink-data/admin-token", "SEALINK_DATA_DIR"]);
}

#[test]
fn no_token_is_77_and_says_what_to_do() {
    let shell = Shell::new();
    shell.run("runner list").failed(77, &["SEALINK_TOKEN", "--token-file"]);
    // The administrator's token of this machine is for this machine only.
    std::fs::create_dir(shell.path().join("sealink-data")).unwrap();
    std::fs::write(shell.path().join("sealink-data/admin-token"), "sealink_adm_canary\n").unwrap();
    shell.run("runner list --server https://sealink.example.com").failed(77, &["SEALINK_TOKEN"]);
}

#[test]
fn wrong_values_are_64_and_are_not_echoed() {
    let shell = Shell::new();
    std::fs::write(shell.path().join("bad"), "canary\nin two lines\n").unwrap();
    std::fs::write(shell.path().join("empty"), "\n").unwrap();
    let create = "integration create --runner R --scm github --host github.com --client-id C";
    let cases = [
        ("runner list --server localhost:7400".to_owned(), "http://127.0.0.1:7400"),
        ("runner list --token-file empty".to_owned(), "no token"),
        ("runner list --token-file canary".to_owned(), "--token-file: there is no such file"),
        (format!("{create} --client-secret-file canary"), "--client-secret-file: there is no such file"),
        ("account replace-token gitea canary".to_owned(), "not shown"),
        ("account show .".to_owned(), "must be"),
        ("account import-keys ..".to_owned(), "must be"),
        ("account keys delete .".to_owned(), "must be"),
        (format!("{create} --client-secret-file bad"), "newline"),
        (format!("{create} --client-secret-file empty"), "must not be empty"),
        ("integration update ID".to_owned(), "nothing to change"),
    ];
    for (line, words) in cases {
        shell.run_with_token(&line).failed(64, &[words]);
    }
    for line in [
        create.to_owned(),
        "integration update ID --client-id x --no-oauth".to_owned(),
        "integration update ID --pat --no-pat".to_owned(),
        "token create --expires-in 30".to_owned(),
    ] {
        assert_eq!(shell.run_with_token(&line).code, 64, "{line}");
    }
}

/// What a one-time token cannot be written to is found before anything is created.
#[test]
fn the_token_file_is_tried_before_the_runner_is_made() {
    let url = answering("HTTP/1.1 500 Must not be asked\r\ncontent-length: 0\r\n\r\n");
    let line = format!("runner create build-1 --server {url} --exchange-token-file no/such/dir");
    Shell::new().run_with_token(&line).failed(1, &["cannot write"]);
}
