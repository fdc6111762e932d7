//! The reason why a component is not compiled: an exit code and one line.

use std::fmt;

/// A refusal. The exit code is for the host, and the text is for people.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub code: u8,
    text: String,
}

impl Refusal {
    /// The input is not a valid component.
    pub fn invalid(text: impl Into<String>) -> Self {
        Refusal { code: 2, text: text.into() }
    }

    /// The component is for another contract.
    pub fn foreign(text: impl Into<String>) -> Self {
        Refusal { code: 3, text: text.into() }
    }

    /// Another failure, for example of a descriptor or of memory.
    pub fn other(text: impl Into<String>) -> Self {
        Refusal { code: 1, text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Replace control characters, so that the output is one line and cannot control a terminal.
        for c in self.text.chars() {
            f.write_fmt(format_args!("{}", if c.is_control() { ' ' } else { c }))?;
        }
        Ok(())
    }
}
