//! The lock of a store: flock(2) on its file `lock`, as in the reference.

use super::super::MachineError;
use super::super::errno::as_go;
use crate::trust;
use crate::value::StoreRef;
use crate::{patience, signal};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::File;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest wait for another holder.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two attempts. It is short, because the reference holds the lock only for microseconds.
const PAUSE: Duration = Duration::from_millis(2);

/// The lock. Dropping it releases it.
pub type Lock = Flock<File>;

/// Takes the lock, and creates its file if it does not exist.
pub fn take(dir: &Dir, store: &StoreRef) -> Result<Lock, MachineError> {
    let path = store.directory().join("lock");
    let failed = |source: io::Error| MachineError::File {
        what: format!("failed to lock {}", path.display()),
        source: as_go(source),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o750).custom_flags(OFlag::O_NOFOLLOW.bits());
    let opened = dir.open_with("lock", &options).map_err(|error| failed(trust::as_link(&path, error)));
    let mut file = opened?.into_std();
    let most = patience::left_or_reserve(PATIENCE);
    let deadline = Instant::now() + most;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EWOULDBLOCK | Errno::EINTR)) if Instant::now() < deadline => file = again,
            Err((_, Errno::EWOULDBLOCK)) => {
                let what = format!("the lease store lock {}", path.display());
                return Err(MachineError::Busy { what, seconds: most.as_secs() });
            }
            Err((_, errno)) => return Err(failed(errno.into())),
        }
        signal::check()?;
        sleep(PAUSE);
    }
}
