//! Applying a checked plan, all or nothing, and taking it back.

pub mod execute;
pub mod journal;
pub mod lock;
pub mod undo;

pub use execute::{ApplyError, Stuck, execute, revert, rollback, undo_all};
pub use journal::{Header, Journal, Section, StateDir};
pub use undo::Reason;

#[cfg(test)]
mod tests;
