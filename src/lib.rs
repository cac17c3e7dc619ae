//! Sealink keeps your source-control integrations: which GitHub, GitLab, Gitea, Forgejo, Bitbucket or Azure
//! DevOps your runners may use. Each OAuth client secret is sealed with the runner's public key as it arrives;
//! the server can never open it again.
//!
//! ```text
//!  gRPC    gRPC-Web    Connect                   sealink runner ..   sealink agent
//!     \        |        /    REST                          \            /
//!      +---- listener --------+   connections, limits       \        agent   the only holder
//!              |              |                              \      /  |     of private keys
//!             rpc             |   RPCs become gRPC            client   |
//!              |              |                                        |
//!             api        api/rest   bytes <-> types, caller, errors    |
//!              |              |                                        |
//!           service ----------+   look up, authorise, decide, act      |
//!          /   |   \                                                   |
//!     store at_rest seal    SQL  |  own keyring  |  runners' keys  <---+
//!          \  scm  /        forges: the server's sockets and the agent's
//!          \   |   /
//!           domain          types and rules; no I/O, no wire
//! ```
//!
//! A request goes down, and a module imports what stands below it; `docs/architecture.md` has the exceptions and
//! `tests/it/architecture.rs` keeps it so. To add an RPC or a REST route, follow the checklists in `CONTRIBUTING.md`: a `.proto`,
//! a use case, a handler of four lines, a row in the access matrix.
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | what things are and which rules they keep |
//! | [`service`] | what can be done with them |
//! | [`store`] | the database: SQLite or PostgreSQL, every query written once |
//! | [`seal`] | sealing to runners' public keys, and in `seal::open` the agent's opposite |
//! | [`at_rest`] | the keyring for the few secrets the server itself must use |
//! | [`scm`] | forges over HTTP, and where connections may go |
//! | [`api`] | handlers of RPCs and of the REST API, authentication, health, browsers |
//! | [`rpc`] | gRPC, gRPC-Web and Connect from one tonic service |
//! | [`listener`] | the accept loop: one port, HTTP/1.1 and HTTP/2, slow and greedy clients |
//! | [`server`], [`data_dir`] | the server's life: open, listen, serve, drain; its directory |
//! | [`config`], [`telemetry`] | settings and logs |
//! | [`cli`], [`client`], [`agent`] | the command line, the API from outside, a runner's side |
//! | [`error`] | one error type and one table to every protocol |
//! | [`clock`] | time and fresh ids |
//! | [`pb`], [`wkt`] | generated wire types |
//! | [`harden`], [`zero_alloc`], [`private_file`] | secrets in memory and in files |
//! | [`trim`] | gives back the memory that only the start needed |
pub mod agent;
pub mod api;
pub mod at_rest;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod domain;
pub mod error;
pub mod harden;
pub mod listener;
pub mod pb;
pub mod private_file;
pub mod rpc;
pub mod scm;
pub mod seal;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
#[cfg(target_os = "linux")]
pub mod trim;
pub mod wkt;
pub mod zero_alloc;
