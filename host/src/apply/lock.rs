//! Locks between processes: `flock` with a bound, then CNI code 11.

use crate::kernel::KernelError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::time::{Duration, Instant};

/// So long a lock is waited for: less than a runtime's own patience (kubelet: 2 minutes).
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Locks `file` for this process alone; `what` names it for the message.
pub fn exclusive(mut file: File, what: &str) -> Result<Flock<File>, KernelError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => file = back,
            Err((_, errno)) => {
                return Err(KernelError::File {
                    what: format!("failed to lock {what}"),
                    source: errno.into(),
                });
            }
        }
        if Instant::now() >= deadline {
            return Err(KernelError::Busy { what: what.to_owned(), seconds: PATIENCE.as_secs() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
