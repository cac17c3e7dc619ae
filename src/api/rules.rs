//! The rules of `proto/` (buf.validate), checked on every request, and what is known of each RPC by its
//! request type.
//!
//! The impls are generated from the descriptors by `build/rules.rs` and `build/methods.rs`, so nothing is
//! looked up by reflection at run time. `checks.rs` holds what each rule means; a valid request costs a few
//! comparisons and allocates nothing.
mod checks;
mod detail;
mod uri;

use std::fmt;

pub use self::detail::violations_detail;
pub(super) use self::detail::{serving, violations};
use crate::{
    error::{Error, Result, Violation},
    pb::gitpod::v1::PaginationRequest,
};

/// A request message, or a message in one, whose fields have rules.
pub trait Rules {
    /// Adds one violation to `found` for every rule that is broken here or further inside; `at` is where in
    /// the request this message stands.
    fn check(&self, at: &Path<'_>, found: &mut Vec<Violation>);
}

/// The request type of exactly one RPC.
pub trait Rpc: Rules {
    /// The path of the RPC: `/gitpod.v1.RunnerService/GetRunner`.
    const PATH: &'static str;

    /// Whether the RPC may be called by GET and with a read-only token.
    const NO_SIDE_EFFECTS: bool;

    /// The pagination that `token` and `pageSize` in the query string override; `None` for methods that do
    /// not page, or page by their body only.
    fn pagination_mut(&mut self) -> Option<&mut Option<PaginationRequest>> {
        None
    }
}

/// Checks a whole request.
///
/// # Errors
/// [`Kind::Invalid`](crate::error::Kind::Invalid) with every broken rule, in the order of the fields.
pub fn check<R: Rules>(request: &R) -> Result<()> {
    let mut found = Vec::new();
    request.check(&Path::ROOT, &mut found);
    if found.is_empty() { Ok(()) } else { Err(Error::violations_of(found)) }
}

/// Where in a request a check is: a chain of borrowed names, written out only when a rule is broken.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'static str,
    index: Option<usize>,
}

impl Path<'_> {
    /// The request itself.
    pub const ROOT: Path<'static> = Path { parent: None, name: "", index: None };

    /// A field of the message at this path, by its proto name.
    #[must_use]
    pub const fn field(&self, name: &'static str) -> Path<'_> {
        Path { parent: Some(self), name, index: None }
    }

    /// One item of the repeated field at this path, counted from 0.
    #[must_use]
    pub const fn item(&self, index: usize) -> Path<'_> {
        Path { parent: self.parent, name: self.name, index: Some(index) }
    }
}

/// As violations name fields: `filter.runner_ids[2]`; nothing for the request itself.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if parent.parent.is_some() {
                f.write_str(".")?;
            }
        }
        f.write_str(self.name)?;
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

/// Generated: the `Rules` of every request.
mod rules {
    #![allow(deprecated, clippy::pedantic, clippy::all, reason = "generated code")]
    use super::{Path, Rules, Violation, checks::*};
    include!(concat!(env!("OUT_DIR"), "/rules.rs"));
}

/// Generated: the `Rpc` of every method, and the fields that can be named by number.
mod methods {
    #![allow(clippy::pedantic, clippy::all, reason = "generated code")]
    use super::{PaginationRequest, Rpc};
    include!(concat!(env!("OUT_DIR"), "/methods.rs"));
}
