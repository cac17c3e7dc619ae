//! Statuses that operations answer whatever they do: no handler has to name them.
use utoipa::{
    Modify,
    openapi::{Content, OpenApi as Description, Ref, ResponseBuilder, path::Operation},
};

/// A status, and when it is answered.
type Status = (&'static str, &'static str);

/// Of every operation.
const ALL: &[Status] = &[
    ("500", "The server failed; its log says why."),
    ("503", "It cannot be done now. `Retry-After` says when to try again, if that is known."),
];
/// Of those that change something.
const CHANGES: &[Status] = &[("429", "There is no room for more.")];
/// Of those that read a body.
const BODIES: &[Status] = &[
    ("408", "The body does not arrive."),
    ("413", "The body is larger than 1 MiB."),
    ("415", "The body is compressed."),
];

/// Adds them; what a handler says itself stays.
pub(super) struct Statuses;

impl Modify for Statuses {
    fn modify(&self, document: &mut Description) {
        for item in document.paths.paths.values_mut() {
            let operations = [
                (false, &mut item.get),
                (true, &mut item.post),
                (true, &mut item.patch),
                (true, &mut item.delete),
            ];
            for (changes, operation) in operations {
                let Some(operation) = operation else { continue };
                add(operation, ALL);
                if changes {
                    add(operation, CHANGES);
                }
                if operation.request_body.is_some() {
                    add(operation, BODIES);
                }
            }
        }
    }
}

fn add(operation: &mut Operation, statuses: &[Status]) {
    for (status, description) in statuses {
        let said = operation.responses.responses.entry((*status).to_owned());
        said.or_insert_with(|| {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            ResponseBuilder::new()
                .description(*description)
                .content("application/json", problem)
                .build()
                .into()
        });
    }
}
