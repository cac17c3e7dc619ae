//! The REST API: users, keys, accounts at forges.
mod accounts;
mod command;
mod conformance;
mod contract;
mod description;
mod forge;
mod import;
mod keys;
mod matrix;
mod once;
mod outage;
mod profiles;
mod real;
mod rebinding;
pub(crate) mod rotation;
mod site;
mod tokens;
