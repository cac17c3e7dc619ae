//! Bytes to types and back: the only place that knows the protocols.
pub mod rules;
