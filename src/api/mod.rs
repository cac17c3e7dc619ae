//! The edge: bytes to types and back, callers, errors. The only place that knows the protocols.
pub mod cors;
pub mod health;
pub mod layers;
pub mod reflection;
pub mod rules;
