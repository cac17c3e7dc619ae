//! Tests of the whole, one module per behaviour.
mod agent;
mod at_rest;
mod cli;
mod harden;
mod json;
mod key_policy;
mod open;
mod redaction;
mod rules;
mod seal;
mod seal_architecture;
mod seal_fixtures;
mod seal_vectors;
mod shell;
mod wire_contract;
mod wire_rules;
mod zero_alloc;
