//! From our errors to the runtime's.

use crate::action::undo;
use crate::apply::{ApplyError, Stuck};
use crate::cni::{CniError, ErrorKind};
use crate::machine::MachineError;
pub use crate::machine::errno::chain;

/// A text for a terminal: a guest's words are in it, and could tell the terminal what to do.
pub fn printable(text: &str) -> String {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    // As JSON has it, if it is that.
    let shown = |c: char| if is_odd(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    if text.contains(is_odd) { text.chars().map(shown).collect() } else { text.to_owned() }
}

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
        let ApplyError { action, source, stuck } = error;
        let cause = CniError::from(source);
        if stuck.is_empty() {
            return cause.with_details(format!("step `{action}` failed; all that was done before is undone"));
        }
        let msg = format!("{}; the rollback is incomplete", cause.msg);
        self::stuck(&msg, &format!("step `{action}` failed"), &stuck)
    }
}

/// The error for what is left. When all of it may go a little later, as behind somebody's lock, that is what the code says.
pub fn stuck(msg: &str, what: &str, stuck: &[Stuck]) -> CniError {
    let retryable = stuck.iter().all(|stuck| stuck.error.is_retryable());
    let kind = if retryable { ErrorKind::Busy } else { ErrorKind::NotUndone };
    CniError::new(kind, msg).with_details(left(what, stuck))
}

/// What is left on the machine, one line each, with the command that removes it.
pub fn left(what: &str, stuck: &[Stuck]) -> String {
    let line = |stuck: &Stuck| {
        let (command, reason) = (undo::command(&stuck.undo, &stuck.netns), chain(&stuck.error));
        format!("\nleft: `{command}` removes it; it failed: {reason}")
    };
    format!("{what}{}\nthe next DEL, ADD or GC tries again", stuck.iter().map(line).collect::<String>())
}
