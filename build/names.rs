//! The Rust names of what prost generates, and which part of the descriptors is ours.
use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor, OneofDescriptor,
};

/// Packages whose requests are checked; health and reflection belong to others.
const PACKAGES: [&str; 2] = ["gitpod.v1", "sealink.v1"];

/// Every RPC of our packages, in the order of the files.
pub(crate) fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let services = pool.services().filter(|service| PACKAGES.contains(&service.package_name()));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The path of a message: `crate::pb::gitpod::v1::list_runners_request::Filter`.
pub(crate) fn message(message: &MessageDescriptor) -> String {
    let scope = scope(message.package_name(), message.parent_message().as_ref());
    format!("{scope}::{}", message.name().to_upper_camel_case())
}

/// The path of an enum.
pub(crate) fn enumeration(of: &EnumDescriptor) -> String {
    let scope = scope(of.package_name(), of.parent_message().as_ref());
    format!("{scope}::{}", of.name().to_upper_camel_case())
}

/// The path of the enum that stands for a oneof, in the module of its message.
pub(crate) fn oneof(of: &OneofDescriptor) -> String {
    let parent = of.parent_message();
    format!("{}::{}", scope(parent.package_name(), Some(parent)), of.name().to_upper_camel_case())
}

/// The name of a variant of such an enum.
pub(crate) fn member(of: &FieldDescriptor) -> String {
    of.name().to_upper_camel_case()
}

/// The name of a struct's field. Keywords that no field of ours uses are left to the compiler to refuse.
pub(crate) fn field(name: &str) -> String {
    let name = name.to_snake_case();
    if matches!(name.as_str(), "type" | "enum") { format!("r#{name}") } else { name }
}

/// The module that holds what is declared inside of `parent`, or of the package.
fn scope(package: &str, parent: Option<&MessageDescriptor>) -> String {
    match parent {
        None => format!("crate::pb::{}", package.replace('.', "::")),
        Some(parent) => {
            let outer = scope(package, parent.parent_message().as_ref());
            format!("{outer}::{}", parent.name().to_snake_case())
        }
    }
}
