//! `gitpod.v1` is somebody else's interface: every method and field of ours against a listing of theirs.
use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodOptions,
    field_descriptor_proto::{Label, Type},
    method_options::IdempotencyLevel,
};

/// `message.field=number:type:presence` and `enum.VALUE=number`, sorted; presence is `implicit`, `explicit`,
/// `repeated` or the name of the oneof.
const CONTRACT: &str = include_str!("../fixtures/gitpod-v1.txt");

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(sealink::pb::DESCRIPTORS).expect("descriptors");
    set.file.into_iter().filter(|file| file.package() == "gitpod.v1").collect()
}

#[test]
fn every_field_and_enum_value_is_as_published() {
    let mut lines = Vec::new();
    for file in files() {
        for of in &file.enum_type {
            lines.extend(
                of.value.iter().map(|value| format!("{}.{}={}", of.name(), value.name(), value.number())),
            );
        }
        for message in &file.message_type {
            list("", message, &mut lines);
        }
    }
    lines.sort();
    let published: Vec<_> = CONTRACT.lines().collect();
    let gone: Vec<_> = published.iter().filter(|line| !lines.iter().any(|ours| ours == *line)).collect();
    let new: Vec<_> = lines.iter().filter(|line| !published.contains(&line.as_str())).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "published, not ours: {gone:#?}\nours, not published: {new:#?}"
    );
    assert_eq!(published.len(), lines.len());
}

fn list(scope: &str, message: &DescriptorProto, lines: &mut Vec<String>) {
    let name = format!("{scope}{}", message.name());
    let inner = format!("{name}.");
    for field in &message.field {
        let (kind, presence) = (kind(field), presence(message, field));
        lines.push(format!("{name}.{}={}:{kind}:{presence}", field.name(), field.number()));
        assert_eq!(field.json_name(), camel(field.name()), "{name}");
    }
    for of in &message.enum_type {
        let values = of.value.iter();
        lines.extend(values.map(|value| format!("{inner}{}.{}={}", of.name(), value.name(), value.number())));
    }
    for nested in &message.nested_type {
        list(&inner, nested, lines);
    }
}

fn kind(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn presence<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> &'a str {
    match field.oneof_index {
        _ if field.label() == Label::Repeated => "repeated",
        _ if field.proto3_optional() => "explicit",
        Some(index) => message.oneof_decl[usize::try_from(index).expect("an index")].name(),
        None if field.r#type() == Type::Message => "explicit",
        None => "implicit",
    }
}

/// The JSON name that protobuf gives a field by default.
fn camel(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::new();
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            camel.push(if upper { letter.to_ascii_uppercase() } else { letter });
            upper = false;
        }
    }
    camel
}

#[test]
fn every_method_is_there_with_its_idempotency_level() {
    let safe = [
        "GetHostAuthenticationToken",
        "ListHostAuthenticationTokens",
        "GetRunnerConfigurationSchema",
        "GetSCMIntegration",
        "ListSCMIntegrations",
        "GetEnvironmentClass",
        "ListEnvironmentClasses",
        "GetLLMIntegration",
        "ListLLMIntegrations",
    ];
    assert_eq!(methods("RunnerConfigurationService"), (21, safe.map(String::from).to_vec()));
    let safe = ["GetRunner", "ListRunners", "ListRunnerPolicies"];
    assert_eq!(methods("RunnerService"), (16, safe.map(String::from).to_vec()));
    let safe = ["GetGroup", "ListGroups", "GetMembership", "ListMemberships"];
    assert_eq!(methods("GroupService"), (9, safe.map(String::from).to_vec()));
    assert_eq!(methods("IdentityService"), (3, vec!["GetAuthenticatedIdentity".to_owned()]));
}

/// How many methods a service has, and which of them are free of side effects. All are unary.
fn methods(service: &str) -> (usize, Vec<String>) {
    let files = files();
    let service = files.iter().flat_map(|file| &file.service).find(|known| known.name() == service);
    let methods = &service.expect("the service").method;
    let mut safe = Vec::new();
    for method in methods {
        assert!(!method.client_streaming() && !method.server_streaming(), "{}", method.name());
        assert_eq!(method.input_type(), format!(".gitpod.v1.{}Request", method.name()));
        assert_eq!(method.output_type(), format!(".gitpod.v1.{}Response", method.name()));
        match method.options.as_ref().map(MethodOptions::idempotency_level).unwrap_or_default() {
            IdempotencyLevel::NoSideEffects => safe.push(method.name().to_owned()),
            IdempotencyLevel::IdempotencyUnknown => {}
            IdempotencyLevel::Idempotent => panic!("no public method is marked idempotent"),
        }
    }
    (methods.len(), safe)
}
