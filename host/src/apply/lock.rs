//! Locks between processes, with flock(2). A wait has a time limit; after it, the error has CNI code 11 ("try again
//! later").

use crate::machine::MachineError;
use crate::{patience, signal};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::time::{Duration, Instant};

/// The longest wait for a lock. It is shorter than a runtime's timeout (kubelet: 2 minutes).
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Locks `file` exclusively. None if somebody else holds a lock on it.
pub fn try_exclusive(file: File, what: &str) -> Result<Option<Flock<File>>, MachineError> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => Ok(None),
        Err((_, errno)) => Err(failed(what, errno)),
    }
}

/// Whether somebody holds an exclusive lock on the file. The check itself holds a shared lock only for the duration of
/// the call.
pub fn is_held(file: File) -> bool {
    matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
}

fn failed(what: &str, errno: Errno) -> MachineError {
    MachineError::File { what: format!("failed to lock {what}"), source: errno.into() }
}

/// Locks `file` exclusively, and waits for the lock: for [`PATIENCE`], or as long as the verb may still wait. `what` names
/// the file in an error.
pub fn exclusive(file: File, what: &str) -> Result<Flock<File>, MachineError> {
    exclusive_within(patience::left(PATIENCE), file, what)
}

/// The same for an undo, which must not fail because the verb has waited before.
pub fn exclusive_for_undo(file: File, what: &str) -> Result<Flock<File>, MachineError> {
    exclusive_within(patience::left_or_reserve(PATIENCE), file, what)
}

fn exclusive_within(most: Duration, mut file: File, what: &str) -> Result<Flock<File>, MachineError> {
    let deadline = Instant::now() + most;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(failed(what, errno)),
        }
        signal::check()?;
        if Instant::now() >= deadline {
            return Err(MachineError::Busy { what: what.to_owned(), seconds: most.as_secs() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
