//! Signals that ask us to end. They are noted, and answered where that is possible: what was begun is undone, and the runtime
//! gets one CNI error.

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::atomic::{AtomicI32, Ordering};

/// What asks a process to end, and lets it answer.
const WATCHED: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Nothing was asked yet.
const NONE: c_int = 0;
/// It was asked and is being answered.
const ANSWERED: c_int = -1;

/// One of the above, or the number of the signal that came first.
static ASKED: AtomicI32 = AtomicI32::new(NONE);

/// The error of what does not go on because of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("told to end by {}", .0.as_str())]
pub struct Ended(pub Signal);

/// From now on such signals are noted; those that whoever started us ignores stay ignored.
pub fn watch() {
    for signal in WATCHED {
        let _ = note(signal);
    }
}

/// An error if we were asked to end: once, so that what is done about it, the rollback, is not disturbed in turn.
pub fn check() -> Result<(), Ended> {
    let number = ASKED.load(Ordering::Relaxed);
    if number <= NONE {
        return Ok(());
    }
    ASKED.store(ANSWERED, Ordering::Relaxed);
    match Signal::try_from(number) {
        Ok(signal) => Err(Ended(signal)),
        Err(_) => Ok(()),
    }
}

/// Whether [`check`] has an error to give: for who cannot return it.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed) > NONE
}

#[expect(unsafe_code, reason = "a signal handler")]
fn note(signal: Signal) -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(asked), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: `asked` does what a signal handler may: it changes an atomic number.
    let before = unsafe { sigaction(signal, &action) }?;
    if matches!(before.handler(), SigHandler::SigIgn) {
        // SAFETY: as it was.
        unsafe { sigaction(signal, &before) }?;
    }
    Ok(())
}

extern "C" fn asked(signal: c_int) {
    let _ = ASKED.compare_exchange(NONE, signal, Ordering::Relaxed, Ordering::Relaxed);
}
