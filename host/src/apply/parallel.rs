//! Two functions in parallel, when both mostly wait for the kernel or for a process.

use std::panic::resume_unwind;
use std::thread;

/// Runs `there` in a new thread, and `here` in the current thread, which may change its network namespace. If no thread
/// can be created, they run one after the other. A panic in either of them is propagated.
pub fn in_parallel<A: Send, B>(there: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, &there) {
        Ok(thread) => {
            let here = here();
            (thread.join().unwrap_or_else(|panic| resume_unwind(panic)), here)
        }
        Err(_) => (there(), here()),
    })
}
