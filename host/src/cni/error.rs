//! The CNI error object (SPEC, section 5).

use super::kind::{Entry, ErrorKind, Hint};
use serde::{Deserialize, Serialize};

/// The error that the runtime gets on stdout when a verb fails. The exit code is 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{msg}")]
pub struct CniError {
    /// One of [`code`], or the code of a plugin.
    pub code: u32,
    /// One line, with the offending value.
    pub msg: String,
    /// More lines: causes, all violations, a hint.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl CniError {
    /// Creates an error of a kind, with its code. `details` has the hint of the kind, if it has one for `details`.
    pub fn new(kind: ErrorKind, msg: impl Into<String>) -> Self {
        let Entry { code, hint, .. } = kind.entry();
        let details = match hint {
            Hint::Details(hint) => format!("hint: {hint}"),
            Hint::Page(_) => String::new(),
        };
        CniError { code, msg: msg.into(), details }
    }

    /// Replaces the hint by more specific details. Empty ones change nothing.
    pub fn with_details(self, details: impl Into<String>) -> Self {
        let details = details.into();
        if details.is_empty() { self } else { CniError { details, ..self } }
    }

    /// Replaces the code by that of another kind.
    pub fn with_code_of(self, kind: ErrorKind) -> Self {
        CniError { code: kind.entry().code, ..self }
    }
}

/// Error codes. Below 100: those of the specification and of libcni. From 100: our own, and the reference's 999.
///
/// [`super::kind`] says when each is reported.
pub mod code {
    /// A native plugin failed and reported no error: the reference gives none either.
    pub const UNKNOWN: u32 = 0;
    /// The configuration's `cniVersion` is not supported.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// An environment variable is missing or invalid.
    pub const INVALID_ENVIRONMENT: u32 = 4;
    /// Standard input could not be read.
    pub const IO_FAILURE: u32 = 5;
    /// A text is not valid JSON of the expected type.
    pub const DECODING_FAILURE: u32 = 6;
    /// The network configuration is invalid.
    pub const INVALID_NETWORK_CONFIG: u32 = 7;
    /// `CNI_NETNS` is refused, because it is the host's own namespace.
    pub const INVALID_NETNS: u32 = 8;
    /// The same call may succeed later, for example because a lock is held.
    pub const TRY_AGAIN_LATER: u32 = 11;
    /// STATUS: ADD would not work (SPEC 1.1.0).
    pub const NOT_AVAILABLE: u32 = 50;
    /// Policy refuses the plan. `details` has every violation.
    pub const DENIED: u32 = 100;
    /// The plugin trapped.
    pub const TRAPPED: u32 = 101;
    /// The plugin exceeded a limit: time, memory, actions.
    pub const LIMIT: u32 = 102;
    /// The plugin recorded an invalid value, such as a bad name or prefix.
    pub const INVALID_PLAN: u32 = 103;
    /// Something could not be undone. `details` lists what is left.
    pub const STUCK: u32 = 105;
    /// CHECK found differences. `details` has all of them.
    pub const DIFFERS: u32 = 106;
    /// The file is not a component, or is one for another version of the contract.
    pub const NOT_A_PLUGIN: u32 = 108;
    /// This was a dry run, and nothing was changed.
    pub const DRY_RUN: u32 = 109;
    /// Every other error, as in the reference. Also a missing plugin.
    pub const INTERNAL: u32 = 999;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_makes_room_for_more_specific_details() {
        let error = CniError::new(ErrorKind::DryRun, "dry");
        assert_eq!((error.code, error.details.as_str()), (code::DRY_RUN, "hint: unset WASM_CNI_DRY_RUN"));
        assert_eq!(error.clone().with_details("").details, error.details);
        assert_eq!(error.with_details("more").details, "more");
    }

    /// Runtimes and the differential suite compare them with the reference's.
    #[test]
    fn an_error_that_the_reference_reports_too_has_empty_details() {
        assert_eq!(CniError::new(ErrorKind::MissingVariable, "CNI_PATH").details, "");
    }
}
