//! The source of a crate as data: its modules, what each names, and what that is.
//!
//! The compiler's parser reads it, so a path counts however it is written: in a nested group, under another name, relative, or inside
//! of a macro's arguments.

pub mod circle;
pub mod graph;
pub mod source;
pub mod variants;

pub use graph::{Arrow, Graph};
pub use source::{Crate, Module};
