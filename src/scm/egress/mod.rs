//! Where Sealink may connect to: forges, over https, at addresses where forges are.
//!
//! Private networks are where self-hosted forges live: the agent, whose hosts an administrator names, may go there; the
//! server, where every member names hosts, only where its operator says so. This machine, neighbours without a router,
//! multicast and metadata services never are allowed. An origin that the operator names exactly
//! (`http://127.0.0.1:3000`) is spared the rules about https and this machine, nothing else.
//!
//! A forge is asked sixteen questions at once, and left alone for a while when it is away.
mod gate;
mod own;
mod policy;
mod resolver;

pub(in crate::scm) use gate::Gates;
pub use policy::{Origin, Policy};
pub use resolver::{CheckedResolver, ForbiddenAddress};
