//! Compiles `proto/` without protoc: message types, tonic services, canonical JSON, the descriptors, and what
//! `build/` derives from them; and the order of functions in the binary.
use std::{env, error::Error, fs, path::Path};

use prost_reflect::DescriptorPool;

#[path = "build/json.rs"]
mod json;
#[path = "build/methods.rs"]
mod methods;
#[path = "build/names.rs"]
mod names;
#[path = "build/order.rs"]
mod order;
#[path = "build/redact.rs"]
mod redact;
#[path = "build/rules.rs"]
mod rules;

const FILES: &[&str] = &[
    "gitpod/v1/group.proto",
    "gitpod/v1/identity.proto",
    "gitpod/v1/runner.proto",
    "gitpod/v1/runner_configuration.proto",
    "grpc/health/v1/health.proto",
    "sealink/v1/audit.proto",
    "sealink/v1/keyring.proto",
    "sealink/v1/runner_agent.proto",
    "sealink/v1/runner_key.proto",
    "sealink/v1/service_account.proto",
    "sealink/v1/ssh_key.proto",
    "sealink/v1/token.proto",
    "sealink/v1/user.proto",
];

/// Well-known types with canonical JSON; the longest prefix wins.
const EXTERN: [(&str, &str); 3] = [
    (".google.protobuf", "::pbjson_types"),
    (".google.protobuf.Timestamp", "crate::wkt::Timestamp"),
    (".google.protobuf.FieldDescriptorProto.Type", "::prost_types::field_descriptor_proto::Type"),
];

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "build", "proto", "migrations"] {
        println!("cargo:rerun-if-changed={input}");
    }
    // The server closes its memory to all but root.
    println!("cargo:rustc-check-cfg=cfg(test_as_root)");
    if fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0) {
        println!("cargo:rustc-cfg=test_as_root");
    }
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    // Unlike `file_descriptor_set()`, the encoded form keeps extension options: the validation rules.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;
    let pool = DescriptorPool::decode(descriptors.as_slice())?;

    let mut prost = tonic_prost_build::configure()
        .compile_well_known_types(true)
        .build_client(false)
        .build_transport(false)
        .codec_path("crate::rpc::codec::Codec")
        .skip_debug(redact::messages());
    let mut pbjson = pbjson_build::Builder::new();
    pbjson.register_descriptors(&descriptors)?.ignore_unknown_fields();
    for (proto, rust) in EXTERN {
        prost = prost.extern_path(proto, rust);
        pbjson.extern_path(proto, rust);
    }
    prost.compile_fds(compiler.file_descriptor_set())?;
    pbjson.build(&[".gitpod.v1", ".sealink.v1", ".grpc.health.v1"])?;

    json::adapt(&pool, out)?;
    fs::write(out.join("redact.rs"), redact::generate(&pool)?)?;
    fs::write(out.join("rules.rs"), rules::generate(&pool)?)?;
    fs::write(out.join("methods.rs"), methods::generate(&pool)?)?;
    order::apply(out)
}
