//! What a guest may use. Each limit says which attack it stops; exceeding one is CNI code 102.

use crate::cni::{CniError, code};
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// Linear memory of one plugin, in bytes, all its memories together. Stops a guest that starves the node of memory.
pub const MEMORY_BYTES: usize = 64 << 20;

/// Time that guest code runs, delegates included, the waits for the host's answers not. Stops an endless loop.
pub const TIME: Duration = Duration::from_secs(1);

/// Time that the planner process may take beside its waits. Stops a planner that no longer obeys its own clock.
pub const PLANNER_TIME: Duration = Duration::from_millis(1500);

/// Actions of one plan, and entries of one result. Stops a guest that fills memory and kernel with links and routes.
pub const ACTIONS: usize = 4096;

/// Ranges of VLANs of one port: as many as there can be without neighbours. Stops a guest that fills memory with VLANs.
pub const PORT_VLANS: usize = 2048;

/// Handles that one plugin may ever be given. Stops a guest that fills the host's memory with answers to questions.
pub const HANDLES: usize = 4096;

/// Different questions about the machine in one request. Stops a guest that keeps the parent, whose time is not
/// counted, busy with answers.
pub const QUESTIONS: usize = 256;

/// Bytes of log of one request, standard error included. Stops a guest that fills the disk below a log.
pub const LOG_BYTES: usize = 64 << 10;

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
pub const FILE_BYTES: usize = crate::plan::fact::MAX_FILE_BYTES;

/// Elements of one table. Stops a table that does what memory may not.
pub const TABLE_ELEMENTS: usize = 100_000;

/// Core instances, memories and tables of one component. Stops a component made of thousands of tiny modules.
pub const INSTANCES: usize = 100;

/// Bytes of the line of an error that a guest returns; more is cut.
pub const ERROR_MSG_BYTES: usize = 4096;

/// Bytes of its details; more is cut.
pub const ERROR_DETAILS_BYTES: usize = 64 << 10;

/// The error for a limit: `what` names it, `value` says how much it is.
pub fn exceeded(what: &str, value: impl std::fmt::Display) -> CniError {
    CniError::new(code::LIMIT, format!("the plugin exceeded a limit: {what} ({value})"))
}

/// Counts the memory of one plugin.
#[derive(Debug, Default)]
pub struct Memory {
    bytes: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > MEMORY_BYTES {
            return Err(exceeded("memory", format!("{} MiB", MEMORY_BYTES >> 20)).into());
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
        INSTANCES
    }
}
