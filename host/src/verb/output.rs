//! The output of a verb.

use crate::cni::CniError;

/// What a call prints, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Text for stdout. The call succeeded.
    Stdout(String),
    /// Text for stderr. The call succeeded.
    Stderr(String),
    /// The plan of a dry run for stderr, and the error for stdout.
    Dry(String, CniError),
}
