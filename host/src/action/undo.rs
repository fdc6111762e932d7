//! The trait of what undoes: a room implements it for its data.

use super::context::ReadContext;
use super::profile::UndoLane;
use crate::machine::MachineError;
use crate::value::Netns;

/// An undo, derived from the record of an action, or found without one.
pub trait Inverse {
    /// How it is done.
    fn lane(&self) -> UndoLane<'_>;

    /// Where an operator would type [`Inverse::command`].
    fn netns(&self) -> Netns {
        Netns::Host
    }

    /// What an operator would type instead: one line for a shell.
    fn command(&self) -> String;

    /// Whether what it removes is there still. Of what only a journal knows, nobody asks.
    fn is_left(&self, _cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        Ok(false)
    }
}

/// A text as one word of a shell.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_for_a_shell() {
        for text in ["plain", "", "two words", "it's", "$(boom)", "name: \"a\" id: \"b\"", "line\nline"] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
