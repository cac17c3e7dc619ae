//! The runner's side: the only part that holds private keys and opens what was sealed.
//!
//! ```text
//! keygen    keys: make an RSA key, keep it 0600
//! register  exchange token -> runner token; prove possession of a key by answering a sealed challenge
//! fetch     configuration -> check what each secret is bound to -> open
//! rotate    make the next key, register it, open with the old and seal with the new
//! ```
pub mod attempts;
pub mod dir;
pub mod fetch;
pub mod keys;
pub mod register;
pub mod reseal;
pub mod rotate;
