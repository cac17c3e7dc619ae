//! The edge: bytes to types, callers, errors.
pub mod cors;
pub mod health;
pub mod layers;
pub mod reflection;
