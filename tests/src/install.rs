//! `wasm-cni install` and `uninstall` on a machine.

use crate::{Machine, dist, target};
use std::path::Path;
use std::process::Output;

/// Runs `wasm-cni` for a directory of plugins.
pub fn program(machine: &Machine, program: &Path, arguments: &[&str], dir: &Path) -> Output {
    let mut command = machine.command(program);
    command.args(arguments).arg("--dir").arg(dir).env("WASM_CNI_CACHE_DIR", target().join("test-cache"));
    command.output().expect("wasm-cni starts")
}

/// Its standard output and standard error.
pub fn said(output: &Output) -> String {
    [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat()
}

/// The same, for a program that must succeed.
pub fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

/// The words of a text, with one space between two words.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Installs what `cargo xtask dist` made.
pub fn install(machine: &Machine, dir: &Path) -> String {
    ok(&program(machine, &dist().join("wasm-cni"), &["install"], dir))
}

/// Uninstalls it.
pub fn uninstall(machine: &Machine, dir: &Path) -> String {
    ok(&program(machine, &dir.join("wasm-cni"), &["uninstall"], dir))
}
