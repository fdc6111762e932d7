//! `draft FILE`: plans what an input of the target `plan` says, and nothing else.

use std::process::ExitCode;
use wasm_cni_fuzz_targets::plan;
// It copies and compares as the host does, which is part of the count.
use wasm_cni_memory as _;

fn main() -> ExitCode {
    let file = std::env::args_os().nth(1).unwrap_or_default();
    match std::fs::read(file) {
        Ok(data) => ExitCode::from(u8::from(!plan::draft(&data))),
        Err(_) => ExitCode::from(2),
    }
}
