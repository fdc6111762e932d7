//! Applying a checked plan, completely or not at all, and undoing it.

mod bequest;
pub mod execute;
pub mod journal;
mod lanes;
pub mod lock;
pub mod observe;
mod parallel;
pub mod processes;
mod records;
pub mod remains;
pub mod repair;
mod rules;
pub mod stale;
pub mod state_dir;
pub mod undo;
pub mod verify;

pub use execute::{ApplyError, execute};
pub use journal::{Header, Journal, Section};
pub use lanes::perform;
pub use observe::observe;
pub use remains::{Inside, Remains};
pub use repair::repair;
pub use state_dir::StateDir;
pub use undo::{Kept, Reverted, Stuck, revert, rollback, undo_all, undo_section};
pub use verify::verify;
