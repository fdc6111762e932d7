//! The machine that ships: Linux.

pub mod tables;
