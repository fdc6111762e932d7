//! What a verb gives.

use crate::cni::CniError;

/// What a call prints, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// On stdout; success.
    Stdout(String),
    /// On stderr; success.
    Stderr(String),
    /// The plan of a dry run: on stderr, with this error on stdout.
    Dry(String, CniError),
}
