//! The REST API: users, keys, accounts at forges.
mod accounts;
mod command;
mod conformance;
mod contract;
mod forge;
mod keys;
mod matrix;
mod once;
mod real;
pub(crate) mod rotation;
mod site;
mod tokens;
