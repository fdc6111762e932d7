//! The CNI error object (SPEC, section 5).

use super::kind::{Entry, ErrorKind, Hint};
use serde::{Deserialize, Serialize};

/// The error that the runtime gets on stdout when a verb fails. The exit code is 1.
///
/// Two errors are equal if the runtime gets the same text.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{msg}")]
pub struct CniError {
    /// One of [`super::code`], or the code of a plugin.
    pub code: u32,
    /// One line, with the offending value.
    pub msg: String,
    /// More lines: causes, all violations, a hint.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
    #[serde(skip)]
    pub(crate) kind: Option<ErrorKind>,
}

impl PartialEq for CniError {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.msg, &self.details) == (other.code, &other.msg, &other.details)
    }
}

impl Eq for CniError {}

impl CniError {
    /// Creates an error of a kind, with its code. `details` has the hint of the kind, if it has one for `details`.
    pub fn new(kind: ErrorKind, msg: impl Into<String>) -> Self {
        let Entry { code, hint, .. } = kind.entry();
        let details = match hint {
            Hint::Details(hint) => format!("hint: {hint}"),
            Hint::Page(_) => String::new(),
        };
        CniError { code, msg: msg.into(), details, kind: Some(kind) }
    }

    /// The error of a plugin, which chose the code.
    pub fn of_plugin(code: u32, msg: String, details: String) -> Self {
        CniError { code, msg, details, kind: None }
    }

    /// The kind of an error of the host. None for an error of a plugin, whatever its code, and for one that another
    /// process sent.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// Replaces the hint by more specific details. Empty ones change nothing.
    pub fn with_details(self, details: impl Into<String>) -> Self {
        let details = details.into();
        if details.is_empty() { self } else { CniError { details, ..self } }
    }

    /// Replaces the code by that of another kind.
    pub fn with_code_of(self, kind: ErrorKind) -> Self {
        CniError { code: kind.entry().code, kind: Some(kind), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::code;

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
