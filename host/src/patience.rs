//! The time that a verb may still wait for others: for locks, and for programs that edit rules. A verb that waits longer
//! fails, so every verb ends in bounded time, whatever it waits for and how often.
//!
//! The time that native plugins take does not count; they have a limit of their own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An undo, and a program that edits rules, get this time even if the verb has waited for too long before: an ADD that
/// fails must still undo what it did.
const RESERVE: Duration = Duration::from_secs(2);

/// When the waits of the current verb end. None without a limit for the whole verb: each wait has its own limit.
static DEADLINE: Mutex<Option<Instant>> = Mutex::new(None);

/// Begins a verb whose waits end after `most`. `None` means no limit for the whole verb.
pub fn begin(most: Option<Duration>) {
    set(most.map(|most| Instant::now() + most));
}

/// The time that a wait may take: `most`, or less if the verb's time ends before.
pub fn left(most: Duration) -> Duration {
    deadline().map_or(most, |deadline| most.min(deadline.saturating_duration_since(Instant::now())))
}

/// The same for an undo, or for a program that edits rules.
pub fn left_or_reserve(most: Duration) -> Duration {
    left(most).max(RESERVE.min(most))
}

/// Runs a native plugin. Its time does not count.
pub fn without<T>(native: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let ran = native();
    set(deadline().map(|deadline| deadline + begun.elapsed()));
    ran
}

fn deadline() -> Option<Instant> {
    *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(deadline: Option<Instant>) {
    *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the deadline belongs to the process. Other tests of this process wait for nothing that takes
    /// as long.
    #[test]
    fn all_waits_of_a_verb_end_together_and_native_plugins_do_not_count() {
        let second = Duration::from_secs(1);
        assert_eq!(left(300 * second), 300 * second, "no verb has begun");
        begin(Some(100 * second));
        assert!(left(300 * second) <= 100 * second && left(300 * second) > 99 * second);
        assert_eq!(left(second), second);
        without(|| std::thread::sleep(second / 10));
        assert!(left(300 * second) > 100 * second - second / 20, "{:?}", left(300 * second));
        begin(Some(Duration::ZERO));
        assert_eq!((left(second), left_or_reserve(10 * second)), (Duration::ZERO, RESERVE));
        begin(None);
        assert_eq!(left(300 * second), 300 * second);
    }
}
