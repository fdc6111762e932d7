//! The stack of the process. Its size is limited by `ulimit -s`, and a process that exceeds it ends by a signal.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use wasm_cni::cni::{CniError, ErrorKind};

/// The stack that this process asks for, in bytes: the default of Linux.
const WANTED: u64 = 8 << 20;

/// The stack that this process needs, in bytes. A guest may use 512 KiB of it.
const NEEDED: u64 = 2 << 20;

/// Raises a limit below [`WANTED`], as far as this process may. The limit applies to a stack that grows later, so it
/// counts at once. Fails if the stack is then smaller than [`NEEDED`].
pub fn ensure() -> Result<(), CniError> {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_STACK) else { return Ok(()) };
    if soft >= WANTED {
        return Ok(());
    }
    // Raising the hard limit needs CAP_SYS_RESOURCE.
    let raised = setrlimit(Resource::RLIMIT_STACK, WANTED, hard.max(WANTED))
        .map(|()| WANTED)
        .or_else(|_| setrlimit(Resource::RLIMIT_STACK, hard, hard).map(|()| hard))
        .unwrap_or(soft);
    if raised >= NEEDED {
        return Ok(());
    }
    let msg =
        format!("the stack is limited to {} KiB, and wasm-cni needs {} KiB", raised >> 10, NEEDED >> 10);
    Err(CniError::new(ErrorKind::SandboxNotStarted, msg)
        .with_details("hint: raise `ulimit -s` of the runtime that calls, or give it CAP_SYS_RESOURCE"))
}
