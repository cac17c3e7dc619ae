//! The runner's side: the only part that holds private keys and opens what was sealed.
//!
//! ```text
//! keygen    keys: make an RSA key, keep it 0600
//! register  exchange token -> runner token; prove possession of a key by answering a sealed challenge
//! fetch     configuration -> check what each secret is bound to -> open
//! run       watch the configuration -> cache -> deliver; answer calls by asking forges; heartbeat
//! doctor    every state in a sentence, with a cure
//! rotate    make the next key, register it, open with the old and seal with the new
//! ```
pub mod attempts;
pub mod backoff;
pub mod cache;
pub mod calls;
pub mod configuration;
pub mod delivery;
pub mod dir;
pub mod doctor;
pub mod fetch;
pub mod forge;
pub mod health;
pub mod keys;
pub mod llm;
pub mod log;
pub mod opener;
pub mod register;
pub mod reseal;
pub mod rotate;
pub mod run;
pub mod secrets;
pub mod status_page;
