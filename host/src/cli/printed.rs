//! What commands print.

use crate::cni::result::go_json;

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a command printed, and whether the answer is a good one.
pub(super) struct Printed {
    /// On standard output.
    pub(super) text: String,
    /// The exit code.
    pub(super) success: bool,
}

/// JSON for programs, with a line end.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    go_json(value) + "\n"
}
