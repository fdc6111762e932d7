//! Two pieces of work at once, for what waits for the kernel or for a process.

use std::panic::resume_unwind;
use std::thread;

/// Does `there` in a thread of its own, and `here` in this one, whose network namespace may change; one after the other where no more threads can be
/// had. A panic of either is one here.
pub fn in_parallel<A: Send, B>(there: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, &there) {
        Ok(thread) => {
            let here = here();
            (thread.join().unwrap_or_else(|panic| resume_unwind(panic)), here)
        }
        Err(_) => (there(), here()),
    })
}
