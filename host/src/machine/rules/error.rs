//! Why rules were not listed, or not changed.

use crate::machine::MachineError;

/// Why a table was not listed, or not changed.
#[derive(Debug)]
pub enum TableError {
    /// The program that does it is not installed; the text says which.
    Missing(String),
    /// It was refused, and nothing was changed: another try on a new listing may succeed.
    Refused(String),
    /// The outcome is not known: the process was killed, or the kernel's answer was lost.
    Unknown(String),
    /// Each try was refused, and others had changed the table in between.
    Changed(String),
    /// Somebody holds the lock of the tables for longer than so many seconds. Nothing was changed.
    Busy(u64),
    /// Anything else, and nothing was changed.
    Failed(String),
}

impl TableError {
    /// Whether it may have been done all the same.
    pub fn is_unknown(&self) -> bool {
        matches!(self, TableError::Unknown(_))
    }

    /// The error in the words `what`; `missing` where the program is not installed.
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
        // Where no words are wanted, the message has them.
        match what {
            "" => MachineError::Conflict(message),
            what => MachineError::Tool { what: what.to_owned(), message },
        }
    }
}
