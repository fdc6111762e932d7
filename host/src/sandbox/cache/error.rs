//! Why there is no machine code of a component.

use crate::cni::{CniError, ErrorKind};
use std::io;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The file is no component, or one for another version of the interface; the text says what was found.
    #[error("not a plugin: {0}")]
    NotAPlugin(String),
    /// Policy pins the plugin to other digests.
    #[error(transparent)]
    Pinned(CniError),
    /// The component cannot be read.
    #[error("failed to read the component")]
    Read(#[source] io::Error),
    /// There is no room for the code, not even in memory.
    #[error("failed to store machine code")]
    Write(#[source] io::Error),
    /// The component is being written to.
    #[error("the component is being written to")]
    Changing,
    /// The compiler cannot be executed.
    #[error("failed to execute the compiler {path:?}")]
    Execute {
        /// Which binary.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The compiler needed more than it may have.
    #[error("compiling it exceeded a limit: {0}")]
    Limit(String),
    /// The compiler failed.
    #[error("the compiler {status}: {message}")]
    Compiler {
        /// How it ended: `exit status: 1`.
        status: String,
        /// What it said.
        message: String,
    },
}

impl CodeError {
    /// What the runtime is told about the component at `path`.
    pub fn to_cni(&self, path: &Path) -> CniError {
        let kind = match self {
            CodeError::Pinned(refusal) => {
                let msg = format!("{}: {}", path.display(), refusal.msg);
                return CniError { msg, ..refusal.clone() };
            }
            CodeError::NotAPlugin(_) => ErrorKind::NotAPlugin,
            CodeError::Changing => ErrorKind::ComponentChanging,
            CodeError::Limit(_) => ErrorKind::CompileLimitExceeded,
            CodeError::Read(_)
            | CodeError::Write(_)
            | CodeError::Execute { .. }
            | CodeError::Compiler { .. } => ErrorKind::NotCompiled,
        };
        let cause = std::error::Error::source(self).map(ToString::to_string).unwrap_or_default();
        CniError::new(kind, format!("{}: {self}", path.display())).with_details(cause)
    }
}
