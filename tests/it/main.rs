//! Tests of the whole, one module per behaviour.
mod cli;
mod shell;
