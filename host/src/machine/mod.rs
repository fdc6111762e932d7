//! The machine: the port through which it is queried and changed, and its implementations.

pub mod errno;
pub mod lease;
pub mod linux;
pub mod port;
pub mod rules;
pub mod vlans;

pub use linux::{native, netns};

use crate::signal::Ended;

/// Why the kernel, a file or a tool refused something. The text says what was tried; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A netlink request failed, or got no answer.
    #[error("{what}")]
    Netlink {
        /// What was tried, for example `failed to create bridge "cni0"`.
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
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A tool such as `iptables-restore` could not be executed, or failed.
    #[error("{what}: {message}")]
    Tool {
        /// The tool, with its arguments.
        what: String,
        /// The tool's message.
        message: String,
    },
    /// An object exists that is not the expected one.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else holds a lock, and the wait for it timed out.
    #[error("{what} is held by somebody else for {seconds} s")]
    Busy {
        /// The lock.
        what: String,
        /// The length of the wait, in seconds.
        seconds: u64,
    },
    /// Somebody changed the object without its lock while it was being read.
    #[error("{0}: try again")]
    Changed(String),
    /// A signal asked this process to end.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl MachineError {
    /// Whether a file system is full or read-only.
    pub fn is_storage(&self) -> bool {
        use std::io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
        matches!(self, MachineError::File { source, .. } if matches!(source.kind(), StorageFull | ReadOnlyFilesystem))
    }

    /// Whether the same call may succeed later: then the error has CNI code 11.
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
