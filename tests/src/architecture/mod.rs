//! The source of a crate as data: its modules, the paths in each, and the declarations that they lead to.
//!
//! The test uses a real parser, so it finds a path in every form: in a nested group, under another name, relative, or
//! in a macro's arguments.

pub mod circle;
pub mod graph;
pub mod source;
pub mod variants;

pub use graph::{Arrow, Graph};
pub use source::{Crate, Module};
