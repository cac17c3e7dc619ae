//! A live agent: what it answers, what it follows, what it delivers.
mod calls;
mod deliver;
pub(crate) mod desk;
mod doctor;
mod follow;
mod machine;
mod oauth;
pub(crate) mod real;
mod renewal;
mod report;
mod server;
mod two_agents;
