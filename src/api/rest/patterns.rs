//! What the description says of texts, in full: whoever sends what it allows is understood, and nobody else is.
use utoipa::{
    Modify,
    openapi::{
        OpenApi as Description, RefOr,
        path::{Operation, Parameter},
        schema::{Object, Schema, SchemaFormat},
    },
};

use crate::domain::account::ScmType;

/// White space that is no control character.
const SPACE: &str = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
/// White space that is.
const BREAKS: &str = r"\t-\r\u0085";
const CONTROLS: &str = r"\x00-\x1f\x7f-\x9f";
/// One part of a path: not empty, not `.`, not `..`.
const PART: &str = r"([A-Za-z0-9_-]|\.[A-Za-z0-9_-]|\.\.[A-Za-z0-9_.-])[A-Za-z0-9_.-]*";
/// Printable ASCII, at most 255 characters; blanks at its ends would be no part of a header's value.
const IDEMPOTENCY_KEY: &str = "^[!-~]([ -~]{0,253}[!-~])?$";
const UUID: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

/// Says them wherever they belong.
pub(super) struct Patterns;

impl Modify for Patterns {
    fn modify(&self, document: &mut Description) {
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                for parameter in parameters(operation) {
                    describe(path, parameter);
                }
            }
        }
        if let Some(name) = member(document, "NewKey", "name") {
            name.pattern = Some(name_of_key());
        }
        if let Some(scm_type) = member(document, "NewIntegration", "scm_type") {
            scm_type.pattern = Some(format!("^({})$", types().join("|")));
            scm_type.description = Some(format!("`{}`.", types().join("`, `")));
        }
    }
}

/// What a member of a described object is.
fn member<'d>(document: &'d mut Description, object: &str, name: &str) -> Option<&'d mut Object> {
    match document.components.as_mut()?.schemas.get_mut(object)? {
        RefOr::T(Schema::Object(object)) => match object.properties.get_mut(name)? {
            RefOr::T(Schema::Object(member)) => Some(member),
            _ => None,
        },
        _ => None,
    }
}

/// The forges' types.
fn types() -> [&'static str; ScmType::ALL.len()] {
    ScmType::ALL.map(ScmType::id)
}

fn parameters(operation: &mut Operation) -> impl Iterator<Item = &mut Parameter> {
    operation.parameters.iter_mut().flatten()
}

fn describe(path: &str, parameter: &mut Parameter) {
    let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { return };
    let of_account = path.starts_with("/v1/scm_integrations/");
    match parameter.name.as_str() {
        "id" if of_account => say(schema, format!("^({}|{UUID})$", types().join("|")), "gitea"),
        "id" => schema.format = Some(SchemaFormat::Custom("uuid".to_owned())),
        "query" if path.ends_with("/search_pull_requests") => {
            say(schema, query_of_pulls(), "is:open repo:octo/hello change");
        }
        "query" => say(schema, format!("^[^{CONTROLS}]*$"), "hello fork:true user:octo"),
        "repo_name" => say(schema, format!("^{}$", name_of_repository()), "octo/hello"),
        "Idempotency-Key" => schema.pattern = Some(IDEMPOTENCY_KEY.to_owned()),
        _ => {}
    }
}

fn say(schema: &mut Object, pattern: String, example: &str) {
    schema.pattern = Some(pattern);
    schema.examples = vec![example.into()];
}

/// `owner/name`, with as many groups as the owner has.
fn name_of_repository() -> String {
    format!("({PART}/)+{PART}")
}

/// Words, of which exactly one names a repository.
fn query_of_pulls() -> String {
    let (gap, word) = (format!("[+{SPACE}]"), format!("(?!repo:)[^+{SPACE}{CONTROLS}]+"));
    let repository = name_of_repository();
    format!("^{gap}*({word}{gap}+)*repo:{repository}({gap}+{word})*{gap}*$")
}

/// Something besides white space, and no control characters within.
fn name_of_key() -> String {
    let (edge, end) = (format!("[{SPACE}{BREAKS}]"), format!("[^{SPACE}{CONTROLS}]"));
    format!("^{edge}*{end}([^{CONTROLS}]*{end})?{edge}*$")
}
