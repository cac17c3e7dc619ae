//! Tests of the whole, one module per behaviour.
mod agent;
mod at_rest;
mod cli;
mod harden;
mod key_policy;
mod open;
mod seal;
mod seal_architecture;
mod seal_fixtures;
mod seal_vectors;
mod shell;
mod zero_alloc;
