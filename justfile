# `just` alone lists what there is.  (`cargo install just`, or `npm install -g rust-just`)

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @just --list --unsorted

# run the server on ./sealink-data, in clear text, with logs for people
dev *ARGS:
    cargo run -- serve {{ ARGS }}

# the tests; `just test NAME` runs those whose name contains NAME
test *ARGS:
    cargo test {{ ARGS }}

# the tests on SQLite and on a private PostgreSQL
test-all:
    #!/usr/bin/env bash
    set -euo pipefail
    .ci/install postgres
    directory=$(mktemp -d) && chmod 711 "$directory"
    trap '.ci/postgres stop "$directory/postgres"; rm -rf "$directory"' EXIT
    TEST_POSTGRES_URL=$(.ci/postgres start "$directory/postgres") .ci/test "$directory/log"

# what CI runs
ci:
    bash .ci/run

# the test clients nobody here wrote; `just clients go` runs those whose name contains go
clients FILTER="":
    cargo build
    tests/clients/run target/debug/sealink "{{ FILTER }}"

# schemathesis against a server with one linked account; options are its own
openapi *ARGS:
    cargo build
    tests/openapi/run target/debug/sealink {{ ARGS }}

# forge clients, OAuth, docs/oauth.md and docs/accounts.md against a real Gitea and in a real browser
forge:
    .ci/install gitea chromium
    tests/forge/gitea run tests/browser/run .ci/forge

# one long proof of tests/endure, COUNT times (default: its full count)
endure NAME COUNT="":
    cargo build
    tests/endure/{{ NAME }} {{ if COUNT == "" { "$(tests/endure/" + NAME + " --full)" } else { COUNT } }}

# licences, sources and bans; advisories need a network
audit:
    .ci/install cargo-deny
    "${SEALINK_CACHE:-target/ci-cache}/bin/cargo-deny" check bans licenses sources

# load on a release build: rates, latencies, memory; `just load --help`
load *ARGS:
    benches/load/run {{ ARGS }}

# what live agents cost a release build: watchers, configurations, calls; `just agents --help`
agents *ARGS:
    benches/agents/run {{ ARGS }}

# what accounts cost a release build: their list, questions to their forges; `just accounts --help`
accounts *ARGS:
    benches/accounts/run {{ ARGS }}

# format Rust and protobuf
fmt:
    cargo fmt --all
    .ci/install buf
    "${SEALINK_CACHE:-target/ci-cache}/bin/buf" format --write

# clippy as CI sees it, buf lint, buf format and buf breaking
lint:
    cargo clippy --workspace --all-targets -- -D warnings
    .ci/install buf
    .ci/protobuf

# the crate's documentation, in a browser
docs:
    cargo doc --no-deps --open
