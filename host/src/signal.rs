//! Signals that ask the process to end. The handler records the signal; the code checks at safe points. Then the host
//! undoes its changes, and the runtime gets one CNI error.

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals that ask a process to end and that a handler can catch.
const WATCHED: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// No signal arrived yet.
const NONE: c_int = 0;
/// A signal arrived, and [`check`] has reported it.
const ANSWERED: c_int = -1;

/// [`NONE`], [`ANSWERED`], or the number of the signal that arrived first.
static ASKED: AtomicI32 = AtomicI32::new(NONE);

/// The error of an operation that a signal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("told to end by {}", .0.as_str())]
pub struct Ended(pub Signal);

/// Installs the handler. A signal that our parent process set to be ignored stays ignored.
pub fn watch() {
    for signal in WATCHED {
        let _ = note(signal);
    }
}

/// Makes a write beyond the limit of file sizes (`ulimit -f`) fail with EFBIG, which is undone like every failed write.
/// By default, SIGXFSZ ends the process.
///
/// The signal is not ignored but handled, because a program that we execute would inherit that it is ignored.
#[expect(unsafe_code, reason = "a signal handler")]
pub fn survive_file_limit() {
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: `nothing` is async-signal-safe: it does nothing.
    //
    // If this fails, a write beyond the limit ends the process, as it does by default.
    let _ = unsafe { sigaction(Signal::SIGXFSZ, &action) };
}

extern "C" fn nothing(_: c_int) {}

/// Fails if a signal asked the process to end. It fails only once, so that a second signal does not interrupt the
/// rollback.
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

/// Whether [`check`] would fail, for callers that cannot return the error.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed) > NONE
}

#[expect(unsafe_code, reason = "a signal handler")]
fn note(signal: Signal) -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(asked), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: `asked` is async-signal-safe: it only changes an atomic integer.
    let before = unsafe { sigaction(signal, &action) }?;
    if matches!(before.handler(), SigHandler::SigIgn) {
        // SAFETY: this restores the handler that was installed before.
        unsafe { sigaction(signal, &before) }?;
    }
    Ok(())
}

extern "C" fn asked(signal: c_int) {
    let _ = ASKED.compare_exchange(NONE, signal, Ordering::Relaxed, Ordering::Relaxed);
}
