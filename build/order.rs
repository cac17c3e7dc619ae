//! Has the linker lay what requests run side by side.
//!
//! The linker takes functions as they come, so those of one request lie scattered over the whole program, and the
//! kernel maps sixteen pages around each. `order.txt` names those that a running server calls, without the hashes
//! that change with every compiler; `benches/order/run` writes it. A linker that cannot do this is not asked to,
//! and a name that no longer exists is nobody's loss: the program is the same in another order.
use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
};

const LIST: &str = "build/order.txt";

/// Orders the functions of the binary, if this build is for use and the linker understands.
pub(crate) fn apply(out: &Path) -> Result<(), Box<dyn Error>> {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !is("PROFILE", "release")
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || env::var("HOST") != env::var("TARGET")
    {
        return Ok(());
    }
    let path = out.join("order.ld");
    fs::write(&path, script(&fs::read_to_string(LIST)?))?;
    let argument = format!("-Wl,-T,{}", path.display());
    if understood(&argument, out)? {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    Ok(())
}

/// One more output section in front of all other code, in the order of the list.
fn script(list: &str) -> String {
    let sections = |name| format!("    *(.text.{name} .text.unlikely.{name})");
    let lines: Vec<String> = list.lines().map(sections).collect();
    format!("SECTIONS {{\n  .text.requests : {{\n{}\n  }}\n}}\nINSERT BEFORE .text;\n", lines.join("\n"))
}

/// Whether the linker of this build makes a program with the argument.
fn understood(argument: &str, out: &Path) -> Result<bool, Box<dyn Error>> {
    let source = out.join("empty.rs");
    fs::write(&source, "fn main() {}\n")?;
    let mut compiler = Command::new(env::var("RUSTC")?);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compiler.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    compiler.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    compiler.arg(format!("-Clink-arg={argument}")).arg(source).arg("-o").arg(out.join("empty"));
    Ok(compiler.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}
