//! The limits of a guest. Each comment says which attack the limit stops. A guest that exceeds a limit ends with CNI
//! code 102.

use crate::cni::{CniError, ErrorKind};
use nix::sys::resource::Resource;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// Linear memory of one plugin, the sum of its memories, in bytes. Stops a guest that exhausts the memory of the
/// node.
pub const MEMORY_BYTES: usize = 64 << 20;

/// Running time of guest code, including delegates, but without the time in which the host answers queries. Stops an
/// endless loop.
pub const TIME: Duration = Duration::from_secs(1);

/// Running time of the planner process, without its waits. Stops a planner that ignores its own clock.
pub const PLANNER_TIME: Duration = Duration::from_millis(1500);

/// Writable memory of the planner process, in bytes. It is enough for [`MEMORY_BYTES`] of a plugin and each of its
/// delegates, and for the recorded actions. Stops a guest that gets around the other limits, for example by an escape
/// from wasmtime.
const PLANNER_BYTES: u64 = 512 << 20;

/// Limits of the planner process, in units of setrlimit(2).
///
/// The processor time limit applies if the parent is stopped and cannot enforce [`PLANNER_TIME`]. A core dump would
/// contain the request. The planner writes no file and starts no process. It needs descriptors only for the code of
/// delegates.
pub const PLANNER: [(Resource, u64); 6] = [
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_CPU, 3),
    (Resource::RLIMIT_DATA, PLANNER_BYTES),
    (Resource::RLIMIT_FSIZE, 0),
    (Resource::RLIMIT_NOFILE, 32),
    (Resource::RLIMIT_NPROC, 0),
];

/// Actions of one plan, and entries of each list in a result. Stops a guest that fills memory and kernel with links
/// and routes.
pub const ACTIONS: usize = 4096;

/// Mapped ports of one address. Stops a plan whose rules exceed the size of a message.
pub const PORT_MAPPINGS: usize = 4096;

/// Words in the conditions of mapped ports. Stops a plan whose rules exceed the size of a message.
pub const PORT_CONDITIONS: usize = 64;

/// VLAN ranges of one port. With ranges that are not adjacent, there cannot be more. Stops a guest that fills memory
/// with VLANs.
pub const PORT_VLANS: usize = 2048;

/// Handles that one plugin gets in total. Stops a guest that fills the host's memory with answers to queries.
pub const HANDLES: usize = 4096;

/// Different queries about the machine in one request. Stops a guest that keeps the parent busy with answers. The
/// parent's time does not count.
pub const QUESTIONS: usize = 256;

/// Bytes of log of one request, including standard error. Stops a guest that fills the disk through the log.
pub const LOG_BYTES: usize = 64 << 10;

/// The minimum that a log line counts, in bytes. Stops a log of empty lines, because the host prefixes every line
/// with time and plugin.
pub const LOG_LINE_BYTES: usize = 64;

/// Delegations in one request, at any depth. Stops a guest that makes the host look up, compile or execute plugins
/// again and again. That time does not count.
pub const DELEGATIONS: usize = 16;

/// The maximum depth of delegation. Stops a plugin that delegates to itself.
pub const DELEGATION_DEPTH: usize = 4;

/// Bytes of one message between planner and parent. Stops a plan, an answer or an error that fills the parent's
/// memory.
pub const FRAME_BYTES: usize = 8 << 20;

/// Bytes that a guest may pass in one call. Stops strings that fill the planner's memory.
pub const CALL_BYTES: usize = 16 << 20;

/// Bytes of the value of a sysctl: one page. The kernel reads no more.
pub const SYSCTL_BYTES: usize = 4096;

/// Bytes of a file that the host reads for a guest. A configuration may name a huge or endless file. The limit keeps
/// it from filling the memory of parent and planner.
pub const FILE_BYTES: usize = crate::value::fact::MAX_FILE_BYTES;

/// Bytes of the DNS settings of a result. Stops a result that fills the runtime's memory and the journal.
pub const DNS_BYTES: usize = 64 << 10;

/// Elements of one table. Stops a table that takes more memory than [`MEMORY_BYTES`] allows.
pub const TABLE_ELEMENTS: usize = 100_000;

/// Core instances, and tables, of one component. Stops a component made of thousands of small modules.
pub const INSTANCES: usize = 100;

/// Memories of one component. Stops empty memories that fill the planner's address space: each reserves 4 GiB of it.
pub const MEMORIES: usize = 8;

/// Bytes of the message of an error that a guest returns. The rest is cut.
pub const ERROR_MSG_BYTES: usize = 4096;

/// Bytes of the details of an error that a guest returns. The rest is cut.
pub const ERROR_DETAILS_BYTES: usize = 64 << 10;

/// The limits of one request: the defaults, or lower values of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// See [`MEMORY_BYTES`].
    pub memory_bytes: usize,
    /// See [`TIME`].
    pub time: Duration,
    /// See [`ACTIONS`], for a plan.
    pub actions: usize,
    /// See [`LOG_BYTES`].
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_bytes: MEMORY_BYTES, time: TIME, actions: ACTIONS, log_bytes: LOG_BYTES }
    }
}

impl Limits {
    /// The error for a plan with too many actions.
    pub fn too_many_actions(&self) -> CniError {
        exceeded("actions of a plan", self.actions)
    }

    /// The error for guest code that ran too long.
    pub fn too_long(&self) -> CniError {
        let whole = self.time.subsec_millis() == 0;
        let text = if whole {
            format!("{} s", self.time.as_secs())
        } else {
            format!("{} ms", self.time.as_millis())
        };
        exceeded("time", text)
    }
}

/// The error for an exceeded limit. `what` names the limit, and `value` is its value.
pub fn exceeded(what: &str, value: impl std::fmt::Display) -> CniError {
    CniError::new(ErrorKind::LimitExceeded, format!("the plugin exceeded a limit: {what} ({value})"))
}

/// Counts the memory of one plugin.
#[derive(Debug)]
pub struct Memory {
    bytes: usize,
    most: usize,
}

impl Memory {
    /// No memory in use, with a limit of `most` bytes.
    pub fn new(most: usize) -> Self {
        Memory { bytes: 0, most }
    }

    /// Whether the store may stay in memory until the process exits. [`DELEGATIONS`] stores of this size take half of
    /// the memory that one plugin may use.
    pub fn is_small(&self) -> bool {
        self.bytes <= 2 << 20
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.most {
            return Err(exceeded("memory", format!("{} MiB", self.most >> 20)).into());
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(exceeded("table elements", TABLE_ELEMENTS).into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
