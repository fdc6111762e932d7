//! What a guest may use. Each limit says which attack it stops; exceeding one is CNI code 102.

use crate::cni::{CniError, ErrorKind};
use nix::sys::resource::Resource;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// Linear memory of one plugin, in bytes, all its memories together. Stops a guest that starves the node of memory.
pub const MEMORY_BYTES: usize = 64 << 20;

/// Time that guest code runs, delegates included, the waits for the host's answers not. Stops an endless loop.
pub const TIME: Duration = Duration::from_secs(1);

/// Time that the planner process may take beside its waits. Stops a planner that no longer obeys its own clock.
pub const PLANNER_TIME: Duration = Duration::from_millis(1500);

/// Memory of the planner process that is written to, in bytes: what [`MEMORY_BYTES`] allows a plugin and each of its delegates, and
/// what is recorded. Stops what gets around the other limits, an escape from wasmtime included.
const PLANNER_BYTES: u64 = 512 << 20;

/// Limits of the planner process, in units of `setrlimit(2)`: behind [`PLANNER_TIME`] should the parent be stopped; no core dump of what
/// a request says; no file written, no process started; descriptors only for what delegates are mapped from.
pub const PLANNER: [(Resource, u64); 6] = [
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_CPU, 3),
    (Resource::RLIMIT_DATA, PLANNER_BYTES),
    (Resource::RLIMIT_FSIZE, 0),
    (Resource::RLIMIT_NOFILE, 32),
    (Resource::RLIMIT_NPROC, 0),
];

/// Actions of one plan, and entries of one result. Stops a guest that fills memory and kernel with links and routes.
pub const ACTIONS: usize = 4096;

/// Mapped ports of one address. Against: a plan that is larger than a message, by rules.
pub const PORT_MAPPINGS: usize = 4096;

/// Words of conditions of mapped ports. Against: the same.
pub const PORT_CONDITIONS: usize = 64;

/// Ranges of VLANs of one port: as many as there can be without neighbours. Stops a guest that fills memory with VLANs.
pub const PORT_VLANS: usize = 2048;

/// Handles that one plugin may ever be given. Stops a guest that fills the host's memory with answers to questions.
pub const HANDLES: usize = 4096;

/// Different questions about the machine in one request. Stops a guest that keeps the parent, whose time is not
/// counted, busy with answers.
pub const QUESTIONS: usize = 256;

/// Bytes of log of one request, standard error included. Stops a guest that fills the disk below a log.
pub const LOG_BYTES: usize = 64 << 10;

/// Bytes that a line of the log counts at least. Stops a log of empty lines, before each of which stands when and whose it is.
pub const LOG_LINE_BYTES: usize = 64;

/// Calls of delegates in one request, at whatever depth. Stops a guest that has the host look up, compile or execute other plugins
/// again and again, whose time is not counted.
pub const DELEGATIONS: usize = 16;

/// Delegates of delegates. Stops a plugin that delegates to itself.
pub const DELEGATION_DEPTH: usize = 4;

/// Bytes of one message between planner and parent. Stops a plan, answer or error that fills the parent's memory.
pub const FRAME_BYTES: usize = 8 << 20;

/// Bytes that a guest may hand over in one call. Stops strings that fill the planner's memory.
pub const CALL_BYTES: usize = 16 << 20;

/// Bytes of a sysctl's value: a page, which is all that the kernel reads.
pub const SYSCTL_BYTES: usize = 4096;

/// Bytes of a file that is read for a guest. Stops a configuration that names a huge or endless file from filling the memory
/// of parent and planner.
pub const FILE_BYTES: usize = crate::value::fact::MAX_FILE_BYTES;

/// Bytes of the DNS settings of a result. Stops a result that fills the runtime's memory and the journal.
pub const DNS_BYTES: usize = 64 << 10;

/// Elements of one table. Stops a table that does what memory may not.
pub const TABLE_ELEMENTS: usize = 100_000;

/// Core instances and tables of one component. Stops a component made of thousands of tiny modules.
pub const INSTANCES: usize = 100;

/// Memories of one component. Stops empty memories that fill the planner's address space: each reserves 4 GiB of it.
pub const MEMORIES: usize = 8;

/// Bytes of the line of an error that a guest returns; more is cut.
pub const ERROR_MSG_BYTES: usize = 4096;

/// Bytes of its details; more is cut.
pub const ERROR_DETAILS_BYTES: usize = 64 << 10;

/// What one request may take: as much as the host gives, or less where policy says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// See [`MEMORY_BYTES`].
    pub memory_bytes: usize,
    /// See [`TIME`].
    pub time: Duration,
    /// See [`ACTIONS`], of a plan.
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
    /// The error for a plan with one action too many.
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

/// The error for a limit: `what` names it, `value` says how much it is.
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
    /// None yet, and so many bytes at most.
    pub fn new(most: usize) -> Self {
        Memory { bytes: 0, most }
    }

    /// Whether it matters to nobody how long it stays: [`DELEGATIONS`] of these are half of what a plugin may have.
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
