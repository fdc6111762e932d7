//! Options for linking the binary.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=order.txt");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let script = out.join("order.ld");
    let order = fs::read_to_string("order.txt").expect("order.txt can be read");
    fs::write(&script, sections(&order)).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    // `cargo xtask order` reads the map and writes order.txt.
    println!("cargo::rustc-link-arg-bins=-Wl,-Map,{}", out.join("wasm-cni.map").display());
}

/// A linker script that puts the listed functions first, in their order. A listed function that does not exist any
/// more has no effect.
fn sections(order: &str) -> String {
    let functions = order.lines().map(|name| format!("    *(.text.{name})\n"));
    format!(
        "SECTIONS {{\n  .text_ordered : {{\n{}  }}\n}}\nINSERT BEFORE .text;\n",
        functions.collect::<String>()
    )
}
