//! The errors of getting the machine code of a component.

use crate::cni::{CniError, ErrorKind};
use std::io;
use std::path::{Path, PathBuf};

/// The reason why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The file is not a component, or is one for another version of the contract. The text says what the file is.
    #[error("not a plugin: {0}")]
    NotAPlugin(String),
    /// Policy pins the plugin to other digests.
    #[error(transparent)]
    Pinned(CniError),
    /// The component cannot be read.
    #[error("failed to read the component")]
    Read(#[source] io::Error),
    /// The code cannot be stored, not even in memory.
    #[error("failed to store machine code")]
    Write(#[source] io::Error),
    /// Another process is writing to the component.
    #[error("the component is being written to")]
    Changing,
    /// The compiler cannot be executed.
    #[error("failed to execute the compiler {path:?}")]
    Execute {
        /// The path of the compiler.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The compiler exceeded one of its limits, as it always will with this component.
    #[error("compiling it exceeded a limit: {0}")]
    Limit(String),
    /// The compiler took too long, in seconds. On a machine that is less busy it may end in time.
    #[error("compiling it exceeded a limit: time ({0} s)")]
    TooLong(u64),
    /// The compiler crashed, as it always will with this component.
    #[error("the compiler {status}")]
    Crashed {
        /// The exit status: `ended with signal: 31 (SIGSYS)`.
        status: String,
        /// The compiler's last words.
        message: String,
    },
    /// The compiler failed for a reason that may not last.
    #[error("the compiler {status}: {message}")]
    Compiler {
        /// The exit status: `exit status: 1`.
        status: String,
        /// The compiler's message.
        message: String,
    },
}

impl CodeError {
    /// Whether the same compiler will always fail in this way with the same component.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, CodeError::NotAPlugin(_) | CodeError::Limit(_) | CodeError::Crashed { .. })
    }

    /// The CNI error for the component at `path`.
    pub fn to_cni(&self, path: &Path) -> CniError {
        let kind = match self {
            CodeError::Pinned(refusal) => {
                let msg = format!("{}: {}", path.display(), refusal.msg);
                return CniError { msg, ..refusal.clone() };
            }
            CodeError::NotAPlugin(_) => ErrorKind::NotAPlugin,
            CodeError::Changing => ErrorKind::ComponentChanging,
            CodeError::Limit(_) | CodeError::TooLong(_) => ErrorKind::CompileLimitExceeded,
            CodeError::Read(_)
            | CodeError::Write(_)
            | CodeError::Execute { .. }
            | CodeError::Crashed { .. }
            | CodeError::Compiler { .. } => ErrorKind::NotCompiled,
        };
        let cause = match self {
            CodeError::Crashed { message, .. } => message.clone(),
            _ => std::error::Error::source(self).map(ToString::to_string).unwrap_or_default(),
        };
        CniError::new(kind, format!("{}: {self}", path.display())).with_details(cause)
    }
}
