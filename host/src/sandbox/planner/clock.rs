//! The planner's clock: when guest code has run long enough, a signal counts the engine's epoch up, which ends it.

use crate::cni::{CniError, ErrorKind};
use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// After the first signal, more follow: a delegate that begins later counts from the epoch that it finds.
const AGAIN: Duration = Duration::from_millis(10);

/// The engine whose epoch the signal counts up: a handler can reach nothing else.
static ENGINE: OnceLock<Engine> = OnceLock::new();

/// A clock that stands still while the parent works.
#[derive(Debug)]
pub struct Clock {
    timer: Timer,
    left: Duration,
    since: Instant,
}

#[expect(unsafe_code, reason = "a timer's number is a pointer to C, and so not Send by itself")]
// SAFETY: any thread of a process may set its timers, and nothing dereferences the number.
unsafe impl Send for Clock {}

impl Clock {
    /// The clock of this process, which stands still yet. There is one.
    pub fn new(engine: &Engine) -> Result<Self, CniError> {
        if ENGINE.set(engine.clone()).is_err() {
            return Err(CniError::new(ErrorKind::Bug, "the planner's clock is already running"));
        }
        handle().map_err(stands)?;
        let event = SigEvent::new(SigevNotify::SigevSignal { signal: Signal::SIGALRM, si_value: 0 });
        let timer = Timer::new(ClockId::CLOCK_MONOTONIC, event).map_err(stands)?;
        Ok(Clock { timer, left: Duration::ZERO, since: Instant::now() })
    }

    /// Starts it, for that long.
    pub fn start(mut self, time: Duration) -> Result<Self, CniError> {
        self.left = time;
        self.resume().map_err(stands)?;
        Ok(self)
    }

    /// Runs `wait` without counting its time.
    pub fn stopped<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        self.left = self.left.saturating_sub(self.since.elapsed());
        // Should the timer refuse, the wait counts, and the parent's own clock stands behind this one.
        let _ = self.timer.set(Expiration::OneShot(Duration::ZERO.into()), TimerSetTimeFlags::empty());
        let waited = wait();
        let _ = self.resume();
        waited
    }

    fn resume(&mut self) -> nix::Result<()> {
        self.since = Instant::now();
        // Zero would stop it.
        let first = self.left.max(Duration::from_micros(1));
        self.timer.set(Expiration::IntervalDelayed(first.into(), AGAIN.into()), TimerSetTimeFlags::empty())
    }
}

fn stands(errno: nix::Error) -> CniError {
    CniError::new(ErrorKind::SandboxNotStarted, "failed to start the planner's clock")
        .with_details(errno.to_string())
}

#[expect(unsafe_code, reason = "a signal handler")]
fn handle() -> nix::Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::SA_RESTART | SaFlags::SA_ONSTACK,
        SigSet::empty(),
    );
    // SAFETY: `count` does what a signal handler may: it loads an atomic pointer and adds to an atomic number.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map(drop)
}

extern "C" fn count(_: nix::libc::c_int) {
    if let Some(engine) = ENGINE.get() {
        engine.increment_epoch();
    }
}
