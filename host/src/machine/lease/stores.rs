//! The open lease stores of a verb.

/// The open lease stores of a verb.
#[derive(Debug, Default)]
pub struct Stores;
