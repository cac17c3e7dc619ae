//! Violations as the error detail that protovalidate's clients read.
use http::Uri;

use super::methods::FIELDS;
use crate::{
    error,
    pb::buf::validate::{FieldPath, FieldPathElement, Violation, Violations},
};

/// A field of a request: its path in proto names without indices, its number and its type.
type Field = (&'static str, i32, i32);

tokio::task_local! {
    /// The RPC that is being served.
    static RPC: Uri;
}

/// Runs `future`, which serves the RPC at `uri`: a field's name has a number only within a request.
pub(in crate::api) fn serving<F: Future>(uri: Uri, future: F) -> impl Future<Output = F::Output> {
    RPC.scope(uri, future)
}

/// The error detail `buf.validate.Violations` for rules that the request of the RPC being served breaks, to be attached
/// to the status.
pub(in crate::api) fn violations(broken: &[error::Violation]) -> Violations {
    RPC.try_with(|rpc| violations_detail(rpc.path(), broken))
        .unwrap_or_else(|_| violations_detail("", broken))
}

/// The error detail for broken rules of the request of the RPC at `rpc`.
///
/// Each field path is split into its elements. Number and type of an element are filled in for what is a field of the
/// request; a policy's path may name what is not on the wire.
#[must_use]
pub fn violations_detail(rpc: &str, broken: &[error::Violation]) -> Violations {
    let fields = FIELDS.binary_search_by(|(path, _)| (*path).cmp(rpc)).map_or(&[][..], |at| FIELDS[at].1);
    Violations { violations: broken.iter().map(|one| violation(fields, one)).collect() }
}

fn violation(fields: &[Field], violation: &error::Violation) -> Violation {
    Violation {
        constraint_id: Some(violation.rule.clone().into_owned()),
        message: Some(violation.message.clone().into_owned()),
        field: (!violation.field.is_empty()).then(|| path(fields, &violation.field)),
        ..Violation::default()
    }
}

/// `filter.runner_ids[2]` as two elements, the second with index 2.
fn path(fields: &[Field], text: &str) -> FieldPath {
    let mut walked = String::new();
    let elements = text.split('.').map(|part| {
        let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) => (name, index.parse().ok()),
            None => (part, None),
        };
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(name);
        let known = fields.binary_search_by(|(path, ..)| (*path).cmp(&walked)).ok().map(|at| fields[at]);
        FieldPathElement {
            field_number: known.map(|(_, number, _)| number),
            field_name: Some(name.to_owned()),
            field_type: known.map(|(.., kind)| kind),
            index,
        }
    });
    FieldPath { elements: elements.collect() }
}
