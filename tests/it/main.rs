//! Tests of the whole, one module per behaviour.
mod abuse_connections;
mod abuse_framing;
mod agent;
mod at_rest;
mod cli;
<<<<<<< HEAD
mod cors;
=======
mod fake_server;
>>>>>>> cli
mod harden;
mod json;
mod json_codec;
mod key_policy;
mod open;
mod redaction;
mod rules;
mod seal;
mod seal_architecture;
mod seal_fixtures;
mod seal_vectors;
mod shell;
mod transport;
mod wire_contract;
mod wire_rules;
mod wycheproof;
mod zero_alloc;
