//! Errors of a plugin.

use crate::Error;
use crate::config::ConfigError;

/// The code that the reference plugins use for all errors.
const INTERNAL: u32 = 999;

impl Error {
    /// Creates an error without details.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Error { code, msg: msg.into(), details: String::new() }
    }
}

/// The code is 999, as in the reference plugins.
impl From<String> for Error {
    fn from(msg: String) -> Self {
        Error::new(INTERNAL, msg)
    }
}

/// The code is 999, as for [`From<String>`].
impl From<&str> for Error {
    fn from(msg: &str) -> Self {
        Error::new(INTERNAL, msg)
    }
}

/// The code is 999, as for [`From<String>`].
impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::new(INTERNAL, error.to_string())
    }
}
