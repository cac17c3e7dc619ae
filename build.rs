//! Compiles `proto/` without protoc: message types, tonic services, canonical JSON, and the descriptors.
use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 8] = [
    "gitpod/v1/identity.proto",
    "gitpod/v1/runner.proto",
    "gitpod/v1/runner_configuration.proto",
    "grpc/health/v1/health.proto",
    "sealink/v1/runner_agent.proto",
    "sealink/v1/runner_key.proto",
    "sealink/v1/token.proto",
    "sealink/v1/user.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=migrations");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    // Unlike `file_descriptor_set()`, the encoded form keeps extension options: the validation rules.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;

    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .extern_path(".google.protobuf.Timestamp", "crate::wkt::Timestamp")
        .extern_path(".google.protobuf", "::pbjson_types")
        .build_client(false)
        .build_transport(false)
        .codec_path("crate::rpc::codec::Codec")
        .compile_fds(compiler.file_descriptor_set())?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        .extern_path(".google.protobuf.Timestamp", "crate::wkt::Timestamp")
        .extern_path(".google.protobuf", "::pbjson_types")
        .ignore_unknown_fields()
        .build(&[".gitpod.v1", ".sealink.v1", ".grpc.health.v1", ".buf.validate"])?;
    Ok(())
}
