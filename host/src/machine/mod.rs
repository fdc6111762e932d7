//! The machine: the port through which it is looked at and changed, and what serves that.

pub mod errno;
pub mod lease;
pub mod linux;
pub mod port;
pub mod rules;
pub mod vlans;

pub use linux::{native, netns};

use crate::signal::Ended;

/// Why the kernel, a file or a tool refused. The text names the thing; the cause is its source.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A netlink request was answered with an error, or not at all.
    #[error("{what}")]
    Netlink {
        /// What was tried: `failed to create bridge "cni0"`.
        what: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("{what}")]
    File {
        /// What was tried, with the path.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A tool (`iptables-restore`) could not be run or failed.
    #[error("{what}: {message}")]
    Tool {
        /// Which, with its arguments.
        what: String,
        /// What it said.
        message: String,
    },
    /// The thing is there and is something else.
    #[error("{0}")]
    Conflict(String),
    /// Somebody holds what is needed, and the wait is over.
    #[error("{what} is held by somebody else for {seconds} s")]
    Busy {
        /// Which lock.
        what: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Somebody changed it while it was looked at, without taking its lock.
    #[error("{0}: try again")]
    Changed(String),
    /// A signal asked us to end.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl MachineError {
    /// Whether a file system is full or cannot be written to.
    pub fn is_storage(&self) -> bool {
        use std::io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
        matches!(self, MachineError::File { source, .. } if matches!(source.kind(), StorageFull | ReadOnlyFilesystem))
    }

    /// Whether the same call may succeed a little later: CNI code 11.
    pub fn is_retryable(&self) -> bool {
        match self {
            MachineError::Netlink { source, .. } => {
                matches!(source.kind(), std::io::ErrorKind::ResourceBusy | std::io::ErrorKind::Interrupted)
            }
            MachineError::Busy { .. } | MachineError::Changed(_) | MachineError::Ended(_) => true,
            MachineError::File { .. } | MachineError::Tool { .. } | MachineError::Conflict(_) => false,
        }
    }
}
