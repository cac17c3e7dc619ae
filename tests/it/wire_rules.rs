//! The rules of `gitpod.v1` are part of the contract: each against a listing of the published ones.
use prost::Message;
use sealink::pb::buf::validate::{FieldConstraints, MessageConstraints, field_constraints::Type};

/// `message.field: rules`, sorted. `!` stands for `required`, `?1` for an `ignore`.
const RULES: &str = include_str!("../fixtures/gitpod-v1-rules.txt");

/// The descriptors again, of which only the rules are read.
#[derive(Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Declared>,
}

#[derive(Message)]
struct Declared {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Declared>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
}

#[derive(Message)]
struct MessageOptions {
    #[prost(message, optional, tag = "1159")]
    rules: Option<MessageConstraints>,
}

#[derive(Message)]
struct Field {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptions>,
}

#[derive(Message)]
struct FieldOptions {
    #[prost(message, optional, tag = "1159")]
    rules: Option<FieldConstraints>,
}

#[test]
fn every_rule_is_as_published() {
    let files = Files::decode(sealink::pb::DESCRIPTORS).expect("descriptors").files;
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| file.package == "gitpod.v1") {
        file.messages.iter().for_each(|message| list("", message, &mut lines));
    }
    lines.sort();
    let published: Vec<_> = RULES.lines().collect();
    assert_eq!(lines, published);
    assert_eq!(lines.len(), 115, "114 fields and one message");
}

fn list(scope: &str, message: &Declared, lines: &mut Vec<String>) {
    let name = format!("{scope}{}", message.name);
    let disabled = message
        .options
        .as_ref()
        .and_then(|options| options.rules.as_ref())
        .is_some_and(MessageConstraints::disabled);
    if disabled {
        lines.push(format!("{name}: disabled"));
    }
    for field in &message.fields {
        if let Some(rules) = field.options.as_ref().and_then(|options| options.rules.as_ref()) {
            lines.push(format!("{name}.{}: {}", field.name, told(rules)));
        }
    }
    message.nested.iter().for_each(|nested| list(&format!("{name}."), nested, lines));
}

/// One set of rules in a line.
fn told(rules: &FieldConstraints) -> String {
    let mut parts = Vec::new();
    let mut part =
        |rule: &str, limit: Option<String>| parts.extend(limit.map(|limit| format!("{rule}={limit}")));
    match &rules.r#type {
        None => {}
        Some(Type::Int32(rules)) => {
            part("lte", rules.lte.map(|limit| limit.to_string()));
            part("gte", rules.gte.map(|limit| limit.to_string()));
        }
        Some(Type::String(rules)) => {
            part("min_len", rules.min_len.map(|limit| limit.to_string()));
            part("max_len", rules.max_len.map(|limit| limit.to_string()));
            part("len", rules.len.map(|limit| limit.to_string()));
            part("uri", rules.uri.map(|on| on.to_string()));
            part("uuid", rules.uuid.map(|on| on.to_string()));
        }
        Some(Type::Bytes(rules)) => part("bytes", rules.len.map(|limit| limit.to_string())),
        Some(Type::Enum(rules)) => part("defined_only", rules.defined_only.map(|on| on.to_string())),
        Some(Type::Repeated(rules)) => {
            part("min_items", rules.min_items.map(|limit| limit.to_string()));
            part("max_items", rules.max_items.map(|limit| limit.to_string()));
            part("items", rules.items.as_deref().map(|items| format!("({})", told(items))));
        }
    }
    parts.extend(rules.required().then(|| "!".to_owned()));
    parts.extend(rules.ignore.map(|ignore| format!("?{ignore}")));
    parts.join(" ")
}
