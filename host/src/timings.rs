//! Measures how long each phase of a call takes, on the monotonic clock of this process.
//!
//! Repeated phases accumulate: the time of a phase is the sum of all its parts. The time of a child process counts
//! for the phase that waits for it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static CLOCK: Mutex<Clock> = Mutex::new(Clock { last: None, phases: Phases(Vec::new()) });

/// The start of the current phase, and the durations of the phases before it.
struct Clock {
    last: Option<Instant>,
    phases: Phases,
}

/// The duration of each phase, in the order in which the phases ended first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phases(Vec<(&'static str, Duration)>);

/// Resets the clock and starts the first phase.
pub fn begin() {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    *clock = Clock { last: Some(Instant::now()), phases: Phases(Vec::new()) };
}

/// Counts the time since the last call as time of `phase`.
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

/// Ends the last phase, and returns all durations as text.
pub fn end() -> String {
    ended("end");
    phases().text()
}

impl Phases {
    /// What was counted after `earlier`, for one of several calls of this process.
    pub fn since(&self, earlier: &Phases) -> Phases {
        let before =
            |name| earlier.0.iter().find(|(other, _)| *other == name).map_or(Duration::ZERO, |(_, sum)| *sum);
        let each = self.0.iter().map(|(name, sum)| (*name, sum.saturating_sub(before(*name))));
        Phases(each.filter(|(_, took)| !took.is_zero()).collect())
    }

    /// One line for each phase, in microseconds, and the sum.
    fn text(&self) -> String {
        let sum = self.0.iter().map(|(_, took)| *took).sum();
        let lines = self.0.iter().copied().chain([("sum", sum)]);
        lines.fold(String::new(), |mut text, (phase, took)| {
            let _ = writeln!(text, "{phase:<12} {:>8} us", took.as_micros());
            text
        })
    }
}

/// A JSON object with one member for each phase, in microseconds.
impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (phase, took) in &self.0 {
            map.serialize_entry(phase, &u64::try_from(took.as_micros()).unwrap_or(u64::MAX))?;
        }
        map.end()
    }
}
