//! The output of commands.

use crate::cni::result::go_json;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

/// The output of a command.
pub(super) struct Printed {
    /// The text for standard output.
    pub(super) text: String,
    /// Whether the exit code is 0.
    pub(super) success: bool,
}

/// JSON with a newline.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    go_json(value) + "\n"
}
