//! Where the time of a call goes: phases that follow each other, on the clock of the process.
//!
//! One that comes back counts on: what is told of a phase is all of it. Children have their own time, which is the phase's that waits for them.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static CLOCK: Mutex<Clock> = Mutex::new(Clock { last: None, phases: Phases(Vec::new()) });

/// Since when the present phase goes on, and those before it.
struct Clock {
    last: Option<Instant>,
    phases: Phases,
}

/// What phases took, in the order in which they ended first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phases(Vec<(&'static str, Duration)>);

/// The first phase begins.
pub fn begin() {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    *clock = Clock { last: Some(Instant::now()), phases: Phases(Vec::new()) };
}

/// What was done since the last phase ended was this one.
pub fn ended(phase: &'static str) {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let Some(last) = clock.last.replace(now) else { return };
    let took = now.duration_since(last);
    let Phases(phases) = &mut clock.phases;
    match phases.iter_mut().find(|(name, _)| *name == phase) {
        Some((_, sum)) => *sum += took,
        None => phases.push((phase, took)),
    }
}

/// The phases that have ended.
pub fn phases() -> Phases {
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner).phases.clone()
}

/// The last phase ends, and all are told.
pub fn end() -> String {
    ended("end");
    phases().text()
}

impl Phases {
    /// A line for each, in microseconds, and the sum.
    fn text(&self) -> String {
        let sum = self.0.iter().map(|(_, took)| *took).sum();
        let lines = self.0.iter().copied().chain([("sum", sum)]);
        lines.fold(String::new(), |mut text, (phase, took)| {
            let _ = writeln!(text, "{phase:<12} {:>8} us", took.as_micros());
            text
        })
    }
}

/// An object with a member for each, in microseconds.
impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (phase, took) in &self.0 {
            map.serialize_entry(phase, &u64::try_from(took.as_micros()).unwrap_or(u64::MAX))?;
        }
        map.end()
    }
}
