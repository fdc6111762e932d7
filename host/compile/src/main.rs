//! `wasm-cni-compile`: wasm on descriptor 0, its manifest (JSON) to descriptor 3, machine code to descriptor 1.
//!
//! It runs without privileges, on bytes that anybody may have written, so that the host needs no compiler. A refusal is
//! one line on descriptor 2 and an exit code: 2 no valid component, 3 one of another interface, 1 anything else.

#[path = "../../src/sandbox/confine.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod confine;
#[path = "../../src/sandbox/manifest.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod manifest;
#[path = "../../src/sandbox/tunables.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod tunables;

mod inspect;
mod refusal;

use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::Resource;
use refusal::Refusal;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::process::ExitCode;
use wasm_cni_memory::Allocator;
use wasmtime::Engine;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The largest component that is read. Stops a file that fills memory before it is looked at.
const WASM_BYTES: u64 = 64 << 20;
/// What this process may use, in units of `setrlimit(2)`. Memory that is written to, processor time, and size of a file stop wasm whose
/// compilation takes them out of proportion; no core dump, no process, no descriptor more.
const LIMITS: [(Resource, u64); 6] = [
    (Resource::RLIMIT_DATA, 1 << 30),
    (Resource::RLIMIT_CPU, 10),
    (Resource::RLIMIT_FSIZE, 256 << 20),
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_NOFILE, 0),
    (Resource::RLIMIT_NPROC, 0),
];
/// What it needs beside what any process does.
const SYSTEM_CALLS: [libc::c_long; 3] = [libc::SYS_read, libc::SYS_write, libc::SYS_writev];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            // The exit code is what counts; nobody may be listening.
            let _ = writeln!(io::stderr(), "{refusal}");
            ExitCode::from(refusal.code)
        }
    }
}

fn run() -> Result<(), Refusal> {
    // Whoever started this has given up the rest, which lasts (`docs/security.md`, S10).
    let confined = confine::limit(&LIMITS)
        .and_then(|()| prctl::set_dumpable(false))
        .map_err(io::Error::from)
        .and_then(|()| confine::filter(&SYSTEM_CALLS, false));
    confined.map_err(|e| Refusal::other(format!("the compiler cannot be confined: {e}")))?;
    let mut wasm = Vec::new();
    let read = io::stdin().take(WASM_BYTES + 1).read_to_end(&mut wasm);
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
    io::stdout().write_all(&code).map_err(|e| Refusal::other(format!("writing the code: {e}")))
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
    // A plugin runs for a tenth of a millisecond: what optimising would take, when a component is new, no ADD gives back.
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    // Threads would be one more thing that it may do, for a tenth of a second when a component is new.
    config.parallel_compilation(false);
    config.target(target).map_err(|e| Refusal::other(format!("target {target}: {e:#}")))?;
    let engine = Engine::new(&config).map_err(|e| Refusal::other(format!("{e:#}")))?;
    engine.precompile_component(wasm).map_err(|e| Refusal::invalid(format!("it cannot be compiled: {e:#}")))
}
