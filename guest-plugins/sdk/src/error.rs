//! Why a plugin gives up.

use crate::Error;
use crate::config::ConfigError;

/// What the reference plugins use throughout.
const INTERNAL: u32 = 999;

impl Error {
    /// An error without details.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Error { code, msg: msg.into(), details: String::new() }
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
