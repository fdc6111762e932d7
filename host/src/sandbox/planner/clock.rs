//! The clock of the planner. When guest code has run too long, a signal handler increments the epoch of the engine,
//! and that ends the guest.

use crate::cni::{CniError, ErrorKind};
use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// The interval of the signals after the first. A delegate that starts later sets its deadline from the current
/// epoch, so another signal must end it.
const AGAIN: Duration = Duration::from_millis(10);

/// The engine whose epoch the signal handler increments. A handler can access only static data.
static ENGINE: OnceLock<Engine> = OnceLock::new();

/// A clock that stands still while the parent works.
#[derive(Debug)]
pub struct Clock {
    timer: Timer,
    left: Duration,
    since: Instant,
}

#[expect(unsafe_code, reason = "a timer's number is a pointer to C, and so not Send by itself")]
// SAFETY: any thread of a process may set its timers. The timer is an ID that is never dereferenced.
unsafe impl Send for Clock {}

impl Clock {
    /// Creates the clock of this process, stopped. A process can have only one.
    pub fn new(engine: &Engine) -> Result<Self, CniError> {
        if ENGINE.set(engine.clone()).is_err() {
            return Err(CniError::new(ErrorKind::Bug, "the planner's clock is already running"));
        }
        handle().map_err(stands)?;
        let event = SigEvent::new(SigevNotify::SigevSignal { signal: Signal::SIGALRM, si_value: 0 });
        let timer = Timer::new(ClockId::CLOCK_MONOTONIC, event).map_err(stands)?;
        Ok(Clock { timer, left: Duration::ZERO, since: Instant::now() })
    }

    /// Starts the clock with `time` left.
    pub fn start(mut self, time: Duration) -> Result<Self, CniError> {
        self.left = time;
        self.resume().map_err(stands)?;
        Ok(self)
    }

    /// Runs `wait` with the clock stopped.
    pub fn stopped<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        self.left = self.left.saturating_sub(self.since.elapsed());
        // If setting the timer fails, the wait counts too. The parent has a clock of its own.
        let _ = self.timer.set(Expiration::OneShot(Duration::ZERO.into()), TimerSetTimeFlags::empty());
        let waited = wait();
        let _ = self.resume();
        waited
    }

    fn resume(&mut self) -> nix::Result<()> {
        self.since = Instant::now();
        // A value of zero would disarm the timer.
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
    // SAFETY: `count` is async-signal-safe: it loads an atomic pointer and adds to an atomic integer.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map(drop)
}

extern "C" fn count(_: nix::libc::c_int) {
    if let Some(engine) = ENGINE.get() {
        engine.increment_epoch();
    }
}
