//! Applying a checked plan, all or nothing, and taking it back.

pub mod execute;
pub mod journal;
pub mod lock;
pub mod mend;
pub mod state_dir;
pub mod undo;

pub use execute::{ApplyError, Stuck, execute, revert, rollback, undo_all};
pub use journal::{Header, Journal, Section};
pub use mend::mend;
pub use state_dir::StateDir;
pub use undo::Reason;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
