//! Conversion of internal errors into CNI errors.

use crate::action::undo;
use crate::apply::{ApplyError, Kept, Stuck};
use crate::cni::{CniError, ErrorKind};
use crate::machine::MachineError;
pub use crate::machine::errno::chain;

impl From<MachineError> for CniError {
    fn from(error: MachineError) -> Self {
        let kind = match error {
            MachineError::Ended(_) => ErrorKind::Ended,
            _ if error.is_retryable() => ErrorKind::Busy,
            _ => ErrorKind::Refused,
        };
        CniError::new(kind, chain(&error))
    }
}

impl From<ApplyError> for CniError {
    fn from(error: ApplyError) -> Self {
        let ApplyError { action, source, stuck, kept } = error;
        let cause = CniError::from(source);
        if stuck.is_empty() {
            let undone = undone_but("all that was done before is undone", &kept);
            return cause.with_details(format!("step `{action}` failed; {undone}"));
        }
        let msg = format!("{}; the rollback is incomplete", cause.msg);
        self::stuck(&msg, &undone_but(&format!("step `{action}` failed"), &kept), &stuck)
    }
}

/// A text about a rollback, with what stays on purpose: one line each, with the command that would undo it.
pub fn undone_but(text: &str, kept: &[Kept]) -> String {
    let line = |kept: &Kept| {
        let command = undo::command(&kept.undo, &kept.netns);
        format!("\nstays, because {}: what `{command}` would undo", kept.why)
    };
    kept.iter().fold(text.to_owned(), |text, kept| text + &line(kept))
}

/// The error for actions that could not be undone.
///
/// The code is `TRY_AGAIN_LATER` when every one of them may succeed later, for example because another process held a
/// lock.
pub fn stuck(msg: &str, what: &str, stuck: &[Stuck]) -> CniError {
    let retryable = stuck.iter().all(|stuck| stuck.error.is_retryable());
    let kind = if retryable { ErrorKind::Busy } else { ErrorKind::NotUndone };
    CniError::new(kind, msg).with_details(left(what, stuck))
}

/// Lists the changes that are left on the machine, one line each, with the command that removes each of them.
pub fn left(what: &str, stuck: &[Stuck]) -> String {
    let line = |stuck: &Stuck| {
        let (command, reason) = (undo::command(&stuck.undo, &stuck.netns), chain(&stuck.error));
        format!("\nleft: `{command}` removes it; it failed: {reason}")
    };
    format!("{what}{}\nthe next DEL, ADD or GC tries again", stuck.iter().map(line).collect::<String>())
}
