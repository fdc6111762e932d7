//! Errors of listing and changing rules.

use crate::machine::MachineError;

/// Why a table was not listed or changed.
#[derive(Debug)]
pub enum TableError {
    /// The program is not installed. The text names it.
    Missing(String),
    /// The change was refused, and nothing was changed. Another attempt with a new listing may succeed.
    Refused(String),
    /// The result is unknown: the program was killed, or the kernel's answer was lost.
    Unknown(String),
    /// Every attempt was refused, and others changed the table each time.
    Changed(String),
    /// Somebody held the lock of the tables for longer than this many seconds. Nothing was changed.
    Busy(u64),
    /// Any other error. Nothing was changed.
    Failed(String),
}

impl TableError {
    /// Whether the change may have been done.
    pub fn is_unknown(&self) -> bool {
        matches!(self, TableError::Unknown(_))
    }

    /// The error with the text `what`, or `missing` if the program is not installed.
    pub fn into_error(self, missing: &str, what: &str) -> MachineError {
        let (what, message) = match self {
            TableError::Busy(seconds) => {
                return MachineError::Busy { what: "the xtables lock".to_owned(), seconds };
            }
            TableError::Changed(message) if what.is_empty() => return MachineError::Changed(message),
            TableError::Changed(message) => return MachineError::Changed(format!("{what}: {message}")),
            TableError::Missing(message) => (missing, message),
            TableError::Refused(message) | TableError::Unknown(message) | TableError::Failed(message) => {
                (what, message)
            }
        };
        // If `what` is empty, the message already contains the text.
        match what {
            "" => MachineError::Conflict(message),
            what => MachineError::Tool { what: what.to_owned(), message },
        }
    }
}
