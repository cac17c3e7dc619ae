//! Violations as the error detail that protovalidate's clients read.
use super::methods::FIELDS;
use crate::{
    error,
    pb::buf::validate::{FieldPath, FieldPathElement, Violation, Violations},
};

/// The error detail `buf.validate.Violations` for broken rules, to be attached to the status.
///
/// Each field path is split into its elements. Number and type of an element are filled in where the path
/// means the same field in every request; a policy's path may name a field that is not on the wire.
#[must_use]
pub fn violations_detail(violations: &[error::Violation]) -> Violations {
    Violations { violations: violations.iter().map(violation).collect() }
}

fn violation(violation: &error::Violation) -> Violation {
    Violation {
        constraint_id: Some(violation.rule.clone().into_owned()),
        message: Some(violation.message.clone().into_owned()),
        field: (!violation.field.is_empty()).then(|| path(&violation.field)),
        ..Violation::default()
    }
}

/// `filter.runner_ids[2]` as two elements, the second with index 2.
fn path(text: &str) -> FieldPath {
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
        let known = FIELDS.binary_search_by(|(path, ..)| (*path).cmp(&walked)).ok().map(|at| FIELDS[at]);
        FieldPathElement {
            field_number: known.map(|(_, number, _)| number),
            field_name: Some(name.to_owned()),
            field_type: known.map(|(.., kind)| kind),
            index,
        }
    });
    FieldPath { elements: elements.collect() }
}
