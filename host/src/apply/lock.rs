//! Locks between processes: `flock` with a bound, then CNI code 11.

use crate::machine::MachineError;
use crate::signal;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::time::{Duration, Instant};

/// So long a lock is waited for: less than a runtime's own patience (kubelet: 2 minutes).
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Locks `file` for this process alone, if nobody else has it.
pub fn try_exclusive(file: File, what: &str) -> Result<Option<Flock<File>>, MachineError> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => Ok(None),
        Err((_, errno)) => Err(failed(what, errno)),
    }
}

/// Whether somebody has it locked. Asking so excludes nobody for longer than the call takes.
pub fn is_held(file: File) -> bool {
    matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
}

fn failed(what: &str, errno: Errno) -> MachineError {
    MachineError::File { what: format!("failed to lock {what}"), source: errno.into() }
}

/// Locks `file` for this process alone; `what` names it for the message.
pub fn exclusive(mut file: File, what: &str) -> Result<Flock<File>, MachineError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(failed(what, errno)),
        }
        signal::check()?;
        if Instant::now() >= deadline {
            return Err(MachineError::Busy { what: what.to_owned(), seconds: PATIENCE.as_secs() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
