//! Locks between processes, with flock(2). A wait has a time limit; after it, the error has CNI code 11 ("try again
//! later").

use super::processes;
use crate::machine::MachineError;
use crate::printable::printable;
use crate::{patience, signal};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::time::{Duration, Instant};

/// The longest wait for a lock. It is shorter than a runtime's timeout (kubelet: 2 minutes).
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The longest wait for a holder that executes another program. That program may be waiting for us: it is no ancestor that
/// we could see, if a process between us ended or if the PID namespaces differ.
const PATIENCE_WITH_PROGRAM: Duration = Duration::from_secs(5);

/// Locks `file` exclusively. None if somebody else holds a lock on it.
pub fn try_exclusive(file: File, what: &str) -> Result<Option<Flock<File>>, MachineError> {
    attempt(file, what).map(Result::ok)
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

/// The same, except that a lock that an ancestor of this process holds is none to wait for: the ancestor waits for this
/// process. Then the result is None.
pub fn exclusive_unless_ancestor(file: File, what: &str) -> Result<Option<Flock<File>>, MachineError> {
    let most = patience::left(PATIENCE);
    let file = match attempt(file, what)? {
        Ok(lock) => return Ok(Some(lock)),
        Err(file) => file,
    };
    if let Some(process) = processes::holder(&file)
        && processes::is_ancestor(process)
    {
        return Ok(None);
    }
    let file = match wait(most.min(PATIENCE_WITH_PROGRAM), file, what)? {
        Ok(lock) => return Ok(Some(lock)),
        Err(file) => file,
    };
    let program =
        processes::holder(&file).and_then(|process| Some((process, processes::program_of(process)?)));
    if let Some((process, program)) = program {
        let what = format!("{what}, held by process {process}, which executes {}", printable(&program));
        return Err(MachineError::Busy { what, seconds: PATIENCE_WITH_PROGRAM.as_secs() });
    }
    exclusive_within(most.saturating_sub(PATIENCE_WITH_PROGRAM), file, what).map(Some)
}

fn exclusive_within(most: Duration, file: File, what: &str) -> Result<Flock<File>, MachineError> {
    let busy = |_| MachineError::Busy { what: what.to_owned(), seconds: most.as_secs() };
    wait(most, file, what)?.map_err(busy)
}

/// Waits for the lock. Returns the file if somebody else still holds the lock at the end.
fn wait(most: Duration, mut file: File, what: &str) -> Result<Result<Flock<File>, File>, MachineError> {
    let deadline = Instant::now() + most;
    loop {
        match attempt(file, what)? {
            Ok(lock) => return Ok(Ok(lock)),
            Err(back) => file = back,
        }
        signal::check()?;
        if Instant::now() >= deadline {
            return Ok(Err(file));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Takes the lock if nobody else holds it. Returns the file otherwise.
fn attempt(file: File, what: &str) -> Result<Result<Flock<File>, File>, MachineError> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Ok(lock)),
        Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) => Ok(Err(file)),
        Err((_, errno)) => Err(failed(what, errno)),
    }
}
