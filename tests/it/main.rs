//! tests
mod json;
mod redaction;
mod rules;
mod wire_contract;
mod wire_rules;
