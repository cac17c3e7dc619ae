//! Turns the buf.validate rules of requests into code: one `Rules` impl per request message and per message
//! inside of one that carries rules. A rule this generator does not know fails the build.
use std::{collections::BTreeSet, error::Error, fmt::Display};

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};

use crate::names;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Every `Rules` impl, as source text.
pub(crate) fn generate(pool: &DescriptorPool) -> Result<String> {
    let generator = Generator {
        message: pool.get_extension_by_name("buf.validate.message").ok_or("no message rules")?,
        field: pool.get_extension_by_name("buf.validate.field").ok_or("no field rules")?,
    };
    let mut todo: Vec<_> = names::methods(pool).iter().map(MethodDescriptor::input).collect();
    let mut done = BTreeSet::new();
    let mut code = String::new();
    while let Some(message) = todo.pop() {
        if done.insert(message.full_name().to_owned()) {
            code += &generator.implement(&message)?;
            todo.extend(generator.checked_messages(&message));
        }
    }
    Ok(code)
}

struct Generator {
    message: ExtensionDescriptor,
    field: ExtensionDescriptor,
}

impl Generator {
    fn implement(&self, message: &MessageDescriptor) -> Result<String> {
        let mut body = String::new();
        if !self.disabled(message) {
            for field in message.fields() {
                body += &self.field(&field).map_err(|error| format!("{}: {error}", field.full_name()))?;
            }
        }
        let path = names::message(message);
        let (at, found) = if body.is_empty() { ("_at", "_found") } else { ("at", "found") };
        Ok(format!(
            "impl Rules for {path} {{
    fn check(&self, {at}: &Path<'_>, {found}: &mut Vec<Violation>) {{
{body}    }}
}}
"
        ))
    }

    /// Everything that is to be checked on one field: its own rules, its items, the message in it.
    fn field(&self, field: &FieldDescriptor) -> Result<String> {
        let rules = self.rules(field);
        let nested = self.nested(field).is_some();
        if rules.fields().next().is_none() && !nested {
            return Ok(String::new());
        }
        if field.is_map() {
            return Err("rules on maps are not supported".into());
        }
        let checks =
            if field.is_list() { list(field, &rules, nested)? } else { single(field, &rules, nested)? };
        let required = is_required(&rules);
        if checks.is_empty() && !required {
            return Ok(String::new());
        }
        let (name, member) = (field.name(), names::field(field.name()));
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        if required && (field.is_list() || oneof.is_some() || !field.supports_presence()) {
            return Err("required is supported only on single fields with presence".into());
        }
        let absent = if required { " else { required(&at, found); }" } else { "" };
        let block = if field.is_list() || !field.supports_presence() {
            let checks =
                if ignores_empty(&rules) { format!("if populated(value) {{ {checks} }}") } else { checks };
            format!("let value = &self.{member};\n            {checks}")
        } else if let Some(oneof) = oneof {
            let (of, which) = (names::field(oneof.name()), names::member(field));
            format!("if let Some({}::{which}(value)) = &self.{of} {{ {checks} }}", names::oneof(&oneof))
        } else {
            format!("if let Some({}) = &self.{member} {{ {checks} }}{absent}", bound(&checks))
        };
        Ok(format!(
            "        {{
            let at = at.field({name:?});
            {block}
        }}\n"
        ))
    }

    fn rules(&self, field: &FieldDescriptor) -> DynamicMessage {
        match field.options().get_extension(&self.field).into_owned() {
            Value::Message(rules) => rules,
            _ => unreachable!("buf.validate.field is a message"),
        }
    }

    fn disabled(&self, message: &MessageDescriptor) -> bool {
        let options = message.options();
        let rules = options.get_extension(&self.message);
        let disabled = rules.as_message().and_then(|rules| rules.get_field_by_name("disabled"));
        disabled.is_some_and(|value| value.as_bool() == Some(true))
    }

    /// The messages that a check of `message` goes on to.
    fn checked_messages(&self, message: &MessageDescriptor) -> Vec<MessageDescriptor> {
        if self.disabled(message) {
            return Vec::new();
        }
        message.fields().filter_map(|field| self.nested(&field)).collect()
    }

    /// The message a field holds, if anything in it has rules.
    fn nested(&self, field: &FieldDescriptor) -> Option<MessageDescriptor> {
        let Kind::Message(message) = field.kind() else { return None };
        let has_rules = |field: FieldDescriptor| {
            self.rules(&field).fields().next().is_some() || self.nested(&field).is_some()
        };
        (!self.disabled(&message) && message.fields().any(has_rules)).then_some(message)
    }
}

/// Checks of a field that is there once. Its value is `value`, its place `at`.
fn single(field: &FieldDescriptor, rules: &DynamicMessage, nested: bool) -> Result<String> {
    let own = kinds(rules)?.into_iter().map(|(kind, rules)| checks(field, &kind, &rules));
    let own = own.collect::<Result<Vec<_>>>()?.concat();
    Ok(if nested { own + "value.check(&at, found);" } else { own })
}

/// Checks of a repeated field: of their number, then of each.
fn list(field: &FieldDescriptor, rules: &DynamicMessage, nested: bool) -> Result<String> {
    let mut code = Vec::new();
    let mut each = if nested { vec!["value.check(&at, found);".to_owned()] } else { Vec::new() };
    for (kind, rules) in kinds(rules)? {
        if kind != "repeated" {
            return Err(format!("{kind} rules on a repeated field").into());
        }
        for (rule, value) in rules.fields() {
            match (rule.name(), value) {
                ("min_items", Value::U64(0)) => {}
                ("min_items", Value::U64(least)) => code.push(call("min_items", "value.len()", &[least])),
                ("max_items", Value::U64(most)) => code.push(call("max_items", "value.len()", &[most])),
                ("items", Value::Message(items)) if !ignores_empty(items) => {
                    each.push(single(field, items, false)?);
                }
                (rule, _) => return Err(format!("unknown rule repeated.{rule}").into()),
            }
        }
    }
    if !each.is_empty() {
        let each = each.concat();
        code.push(format!(
            "for (index, value) in value.iter().enumerate() {{ let at = at.item(index); {each} }}"
        ));
    }
    Ok(code.concat())
}

/// One call per rule of one kind.
fn checks(field: &FieldDescriptor, kind: &str, rules: &DynamicMessage) -> Result<String> {
    let limit = |name: &str| rules.get_field_by_name(name).and_then(|value| value.as_i32());
    if kind == "int32"
        && rules.fields().count() == 2
        && let (Some(least), Some(most)) = (limit("gte"), limit("lte"))
    {
        return Ok(call("int32_gte_lte", "*value", &[&least, &most]));
    }
    let mut code = Vec::new();
    for (rule, value) in rules.fields() {
        code.push(match (kind, rule.name(), value, field.kind()) {
            ("string", "uuid", Value::Bool(true), Kind::String) => call("string_uuid", "value", &[]),
            ("string", "uri", Value::Bool(true), Kind::String) => call("string_uri", "value", &[]),
            ("string", rule @ ("len" | "min_len" | "max_len"), Value::U64(n), Kind::String) => {
                call(&format!("string_{rule}"), "value", &[n])
            }
            ("enum", "defined_only", Value::Bool(true), Kind::Enum(of)) => {
                let known = format!("{}::try_from(*value).is_ok()", names::enumeration(&of));
                call("enum_defined_only", &known, &[])
            }
            (kind, rule, ..) => return Err(format!("unknown rule {kind}.{rule}").into()),
        });
    }
    Ok(code.concat())
}

/// A call of one of the functions in `src/api/rules/checks.rs`.
fn call(check: &str, value: &str, limits: &[&dyn Display]) -> String {
    let limits: Vec<_> = limits.iter().map(|limit| format!("{limit}, ")).collect();
    format!("{check}({value}, {}&at, found);", limits.concat())
}

/// How the value is called: a field that only has to be there has no checks that would name it.
fn bound(checks: &str) -> &'static str {
    if checks.is_empty() { "_" } else { "value" }
}

fn is_required(rules: &DynamicMessage) -> bool {
    rules.get_field_by_name("required").and_then(|value| value.as_bool()).unwrap_or_default()
}

/// The rules by kind: `string`, `int32`, ..; without `ignore` and `required`, which stand beside them.
fn kinds(rules: &DynamicMessage) -> Result<Vec<(String, DynamicMessage)>> {
    let kinds = rules.fields().filter(|(field, _)| !matches!(field.name(), "ignore" | "required"));
    kinds
        .map(|(field, value)| match value {
            Value::Message(rules) => Ok((field.name().to_owned(), rules.clone())),
            _ => Err(format!("unknown rule {}", field.name()).into()),
        })
        .collect()
}

/// `IGNORE_IF_UNPOPULATED` and `IGNORE_IF_DEFAULT_VALUE` say the same of every type used here.
fn ignores_empty(rules: &DynamicMessage) -> bool {
    rules.get_field_by_name("ignore").and_then(|value| value.as_enum_number()).unwrap_or(0) != 0
}
