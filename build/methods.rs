//! What the transport and the handlers know of each RPC by its request type, and of each field by its path.
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
};

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};

use crate::names;

/// `IdempotencyLevel.NO_SIDE_EFFECTS`
const NO_SIDE_EFFECTS: i32 = 1;

/// One `Rpc` impl per method, and the table of field paths.
pub(crate) fn generate(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    let mut requests = BTreeSet::new();
    let mut tables = BTreeMap::new();
    for method in names::methods(pool) {
        let input = method.input();
        if !requests.insert(input.full_name().to_owned()) {
            return Err(format!("{} is the request of two methods", input.full_name()).into());
        }
        code += &rpc(&method);
        let mut fields = BTreeMap::new();
        collect(&input, "", &mut fields);
        tables.insert(path(&method), fields);
    }
    Ok(code + &table(tables))
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

fn rpc(method: &MethodDescriptor) -> String {
    let request = names::message(&method.input());
    let path = path(method);
    let options = method.method_descriptor_proto().options.clone().unwrap_or_default();
    let safe = options.idempotency_level == Some(NO_SIDE_EFFECTS);
    // SearchRepositories has a `pagination` too, but pages in the body only.
    let paged = method.name().starts_with("List") && method.input().get_field_by_name("pagination").is_some();
    let pagination = if paged {
        "
    fn pagination_mut(&mut self) -> Option<&mut Option<PaginationRequest>> {
        Some(&mut self.pagination)
    }"
    } else {
        ""
    };
    format!(
        "impl Rpc for {request} {{
    const PATH: &'static str = {path:?};
    const NO_SIDE_EFFECTS: bool = {safe};{pagination}
}}
"
    )
}

/// Number and type, by path in proto names without indices, of every field of a request.
type Fields = BTreeMap<String, (u32, i32)>;

fn collect(message: &MessageDescriptor, prefix: &str, fields: &mut Fields) {
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        let kind = field.field_descriptor_proto().r#type.unwrap_or_default();
        if let Kind::Message(inner) = field.kind()
            && !inner.full_name().starts_with("google.")
        {
            collect(&inner, &format!("{path}."), fields);
        }
        fields.insert(path, (field.number(), kind));
    }
}

/// The fields of every request, by the path of its RPC.
fn table(tables: BTreeMap<String, Fields>) -> String {
    let mut code = String::from("pub(super) const FIELDS: &[(&str, &[(&str, i32, i32)])] = &[\n");
    for (rpc, fields) in tables {
        let _ = writeln!(code, "    ({rpc:?}, &[");
        for (path, (number, kind)) in fields {
            let _ = writeln!(code, "        ({path:?}, {number}, {kind}),");
        }
        code += "    ]),\n";
    }
    code + "];\n"
}
