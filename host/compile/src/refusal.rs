//! Why a component is not compiled: an exit code and one line.

use std::fmt;

/// What the caller learns: the code tells the kind, the text is for a human.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub code: u8,
    text: String,
}

impl Refusal {
    /// No component, or a broken one.
    pub fn invalid(text: impl Into<String>) -> Self {
        Refusal { code: 2, text: text.into() }
    }

    /// A component of another interface.
    pub fn foreign(text: impl Into<String>) -> Self {
        Refusal { code: 3, text: text.into() }
    }

    /// Something else: a descriptor, memory.
    pub fn other(text: impl Into<String>) -> Self {
        Refusal { code: 1, text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever the parser or compiler wrote, and nothing that moves a terminal's cursor.
        for c in self.text.chars() {
            f.write_fmt(format_args!("{}", if c.is_control() { ' ' } else { c }))?;
        }
        Ok(())
    }
}
