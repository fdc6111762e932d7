//! Why a plugin gives up.

use crate::Error;
use crate::config::ConfigError;
use std::fmt::Display;

/// The configuration has a field, or a value of it, that is not supported (SPEC, section 5).
const UNSUPPORTED_FIELD: u32 = 2;
/// What the reference plugins use throughout.
const INTERNAL: u32 = 999;

impl Error {
    /// An error without details.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Error { code, msg: msg.into(), details: String::new() }
    }

    /// The reference knows this key, we do not yet: code 2, with key and value, and what to do as details.
    pub fn unsupported(key: &str, value: impl Display, hint: &str) -> Self {
        Error {
            code: UNSUPPORTED_FIELD,
            msg: format!("unsupported field {key:?} with value {value}"),
            details: format!("hint: {hint}"),
        }
    }
}

/// The reference's code for everything, 999.
impl From<String> for Error {
    fn from(msg: String) -> Self {
        Error::new(INTERNAL, msg)
    }
}

/// As [`From<String>`].
impl From<&str> for Error {
    fn from(msg: &str) -> Self {
        Error::new(INTERNAL, msg)
    }
}

/// As [`From<String>`].
impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::new(INTERNAL, error.to_string())
    }
}
