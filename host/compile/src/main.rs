//! `wasm-cni-compile`: wasm on descriptor 0, its manifest (JSON) to descriptor 3, machine code to descriptor 1.
//!
//! It runs without privileges, on bytes that anybody may have written, so that the host needs no compiler. A refusal is
//! one line on descriptor 2 and an exit code: 2 no valid component, 3 one of another interface, 1 anything else.

#[path = "../../src/sandbox/manifest.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod manifest;
#[path = "../../src/sandbox/tunables.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod tunables;

mod inspect;
mod refusal;

use nix::sys::resource::{Resource, setrlimit};
use refusal::Refusal;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::process::ExitCode;
use wasmtime::Engine;

/// The largest component that is read. Stops a file that fills memory before it is looked at.
const WASM_BYTES: u64 = 64 << 20;
/// Address space. Stops wasm whose compilation needs memory out of proportion.
const MEMORY_BYTES: u64 = 4 << 30;
/// Processor seconds, of all threads. Stops wasm whose compilation needs time out of proportion.
const CPU_SECONDS: u64 = 20;
/// What is written to one file. Stops code that fills the disk.
const CODE_BYTES: u64 = 512 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            // The exit code is what counts; nobody may be listening.
            let _ = writeln!(std::io::stderr(), "{refusal}");
            ExitCode::from(refusal.code)
        }
    }
}

fn run() -> Result<(), Refusal> {
    for (resource, limit) in [
        (Resource::RLIMIT_AS, MEMORY_BYTES),
        (Resource::RLIMIT_CPU, CPU_SECONDS),
        (Resource::RLIMIT_FSIZE, CODE_BYTES),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, limit, limit)
            .map_err(|e| Refusal::other(format!("setrlimit {resource:?}: {e}")))?;
    }
    let mut wasm = Vec::new();
    let read = std::io::stdin().take(WASM_BYTES + 1).read_to_end(&mut wasm);
    let length = read.map_err(|e| Refusal::other(format!("reading wasm: {e}")))?;
    if u64::try_from(length).is_ok_and(|length| length > WASM_BYTES) {
        return Err(Refusal::invalid(format!("larger than {} MiB", WASM_BYTES >> 20)));
    }
    let manifest = inspect::manifest(&wasm)?;
    let code = compile(&wasm)?;
    let json =
        serde_json::to_vec(&manifest).map_err(|e| Refusal::other(format!("writing the manifest: {e}")))?;
    let written = manifest_file().write_all(&json);
    written.map_err(|e| Refusal::other(format!("writing the manifest to descriptor 3: {e}")))?;
    std::io::stdout().write_all(&code).map_err(|e| Refusal::other(format!("writing the code: {e}")))
}

/// Descriptor 3, which the caller gave us.
#[expect(unsafe_code, reason = "a descriptor by its number")]
fn manifest_file() -> File {
    // SAFETY: it is called once, and nothing else in this process owns a descriptor 3: the contract says that the caller
    // opened it. If it did not, writing fails.
    unsafe { File::from_raw_fd(3) }
}

/// Machine code for any processor of this architecture: the host compares no more than architecture and system.
fn compile(wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    let target =
        if cfg!(target_arch = "x86_64") { "x86_64-unknown-linux-gnu" } else { "aarch64-unknown-linux-gnu" };
    let mut config = tunables::config();
    config.target(target).map_err(|e| Refusal::other(format!("target {target}: {e:#}")))?;
    let engine = Engine::new(&config).map_err(|e| Refusal::other(format!("{e:#}")))?;
    engine.precompile_component(wasm).map_err(|e| Refusal::invalid(format!("it cannot be compiled: {e:#}")))
}
