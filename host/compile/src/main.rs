//! `wasm-cni-compile`: reads wasm from descriptor 0, and writes its manifest (JSON) to descriptor 3 and machine code
//! to descriptor 1.
//!
//! With the argument `--manifest`, it reads the manifest and compiles nothing.
//!
//! It runs without privileges, because anybody may have written its input. And the host needs no compiler. A refusal
//! is one line on descriptor 2 and an exit code. The code is 2 for an invalid component, 3 for a component of another
//! contract, and 1 for everything else.

#[path = "../../src/sandbox/confine.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod confine;
#[path = "../../src/value/kind.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod kind;
#[path = "../../src/sandbox/manifest.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod manifest;
#[path = "../../src/sandbox/tunables.rs"]
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod tunables;

mod inspect;
mod refusal;

use kind::Kind;
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

/// The maximum size of a component, in bytes. Stops a file that fills the memory before it is checked.
const WASM_BYTES: u64 = 64 << 20;
/// The limits of this process, in units of setrlimit(2). The limits of writable memory, processor time and file size
/// stop wasm that is disproportionately expensive to compile. The process writes no core dump, starts no process and
/// opens no descriptor.
const LIMITS: [(Resource, u64); 6] = [
    (Resource::RLIMIT_DATA, 1 << 30),
    (Resource::RLIMIT_CPU, 10),
    (Resource::RLIMIT_FSIZE, 256 << 20),
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_NOFILE, 0),
    (Resource::RLIMIT_NPROC, 0),
];
/// The system calls in addition to those of every process.
const SYSTEM_CALLS: [libc::c_long; 3] = [libc::SYS_read, libc::SYS_write, libc::SYS_writev];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            // The exit code carries the result. The write fails if nobody reads the message.
            let _ = writeln!(io::stderr(), "{refusal}");
            ExitCode::from(refusal.code)
        }
    }
}

fn run() -> Result<(), Refusal> {
    let is_only_manifest = std::env::args_os().nth(1).is_some_and(|argument| argument == "--manifest");
    // The host gave up user, groups and capabilities before exec, and that persists (`docs/security.md`, S10).
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
    let code = if is_only_manifest { None } else { Some(compile(&wasm)?) };
    let json =
        serde_json::to_vec(&manifest).map_err(|e| Refusal::other(format!("writing the manifest: {e}")))?;
    let written = manifest_file().write_all(&json);
    written.map_err(|e| Refusal::other(format!("writing the manifest to descriptor 3: {e}")))?;
    match code {
        Some(code) => {
            io::stdout().write_all(&code).map_err(|e| Refusal::other(format!("writing the code: {e}")))
        }
        None => Ok(()),
    }
}

/// Descriptor 3, which the host opened.
#[expect(unsafe_code, reason = "a descriptor by its number")]
fn manifest_file() -> File {
    // SAFETY: this function is called once, and nothing else in this process owns descriptor 3. The host opens it. If
    // it did not, writing fails.
    unsafe { File::from_raw_fd(3) }
}

/// Compiles for the baseline processor of this architecture. The host compares only architecture and operating
/// system.
fn compile(wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    let target =
        if cfg!(target_arch = "x86_64") { "x86_64-unknown-linux-gnu" } else { "aarch64-unknown-linux-gnu" };
    let mut config = tunables::config();
    // A plugin runs for a tenth of a millisecond, so no ADD would gain the time that optimizing a new component
    // takes.
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    // Parallel compilation needs system calls for threads. It would save only a tenth of a second for a new
    // component.
    config.parallel_compilation(false);
    config.target(target).map_err(|e| Refusal::other(format!("target {target}: {e:#}")))?;
    let engine = Engine::new(&config).map_err(|e| Refusal::other(format!("{e:#}")))?;
    engine.precompile_component(wasm).map_err(|e| Refusal::invalid(format!("it cannot be compiled: {e:#}")))
}
