//! Compiles the conformance suite's own protos, which come with the Go module of the runner and are not kept here.
use std::{env, error::Error, fs, path::PathBuf, process::Command};

const MODULE: &str = "connectrpc.com/conformance@v1.0.7";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=CONFORMANCE_MODULE_DIR");
    println!("cargo:rerun-if-changed=build.rs");
    let mut compiler = protox::Compiler::new([module_dir()?.join("proto")])?;
    let files = ["connectrpc/conformance/v1/service.proto", "connectrpc/conformance/v1/server_compat.proto"];
    compiler.include_imports(true).open_files(files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .codec_path("crate::codec::Codec")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}

/// Where the runner's module lies: `CONFORMANCE_MODULE_DIR`, or the Go module cache.
fn module_dir() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(dir) = env::var_os("CONFORMANCE_MODULE_DIR") {
        return Ok(dir.into());
    }
    let go = Command::new("go").args(["mod", "download", "-json", MODULE]).output()?;
    let text = String::from_utf8(go.stdout)?;
    let dir = text.lines().find_map(|line| line.trim().strip_prefix("\"Dir\": \"")?.split('"').next());
    dir.map(Into::into).ok_or_else(|| format!("{MODULE} not found: set CONFORMANCE_MODULE_DIR").into())
}
